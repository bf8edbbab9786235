"""Reads the images of an audit, and prints its table and verdict."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from rich.table import Table

from tljax.core.errors import UserError
from tljax.core.progress import output
from tljax.weights.audit import IMAGES, AuditVerdict, audit, keeps_statistics
from tljax.weights.audit_probe import audit_by_probe
from tljax.weights.networks import Network

IMAGE_SIZE = 224  # default side in pixels
PROBED = 300  # largest number of images for a probe
SHOWN = 12  # rows of the table


def run(network: Network, folder: Path, image_size: int) -> None:
    """Audits a network with the images of a folder, and prints the result.

    Networks with batch normalisation are judged by its statistics. Others are judged by a linear probe, if the images
    are in one folder per class. Raises UserError if neither is possible.
    """
    if image_size < 1:
        raise UserError(f"--image-size {image_size}: must be at least 1 pixel")
    files, labels = _files(folder)
    by_probe = not keeps_statistics(network) and labels is not None
    step = max(1, math.ceil(len(files) / (PROBED if by_probe else IMAGES)))
    images = np.stack(list(_read(files[::step], image_size)))
    if by_probe and labels is not None:
        _show(network, audit_by_probe(network, images, labels[::step]), len(images), "1 - AUC of a linear probe")
    else:
        _show(network, audit(network, images), len(images), "distance")


def _files(folder: Path) -> tuple[list[Path], Int[np.ndarray, " n"] | None]:
    """Returns the images of a folder, and their classes if it holds only folders."""
    from tljax.datasets.decoding import is_image
    from tljax.datasets.listing import list_files

    if not folder.is_dir():
        raise UserError(f"--images {folder}: there is no such folder")
    files = [path for path in list_files(folder) if is_image(path)]
    if not files:
        raise UserError(f"--images {folder} holds no image")
    names = [path.relative_to(folder).parts[0] for path in files]
    if any(len(path.relative_to(folder).parts) == 1 for path in files) or len(set(names)) < 2:
        return files, None
    return files, np.unique(names, return_inverse=True)[1]


def _read(files: list[Path], size: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    from tljax.datasets.imagefiles import read_image

    for path in files:
        image = read_image(path, size, "squash")
        if isinstance(image, str):
            raise UserError(f"{image}; remove the file from --images, or name another folder")
        yield image


def _show(network: Network, verdict: AuditVerdict, count: int, measure: str) -> None:
    table = Table("input", measure, box=None)
    for candidate in verdict.candidates[:SHOWN]:
        table.add_row(" = ".join(candidate.names), f"{candidate.distance:.3f}")
    output.print(table)
    output.print(f"\n{count} images. Verdict: {verdict}")
    if verdict.found and network.normalisation not in [candidate.normalisation for candidate in verdict.found]:
        output.print("The card of these weights states another input.")
