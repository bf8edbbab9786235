"""Finds image files that belong to no data set, and reads them as squares of one size."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from tljax.core.errors import UserError
from tljax.datasets.decoding import BadImage, decode_file, is_image, to_square
from tljax.datasets.listing import check_file, list_files

CROP_MARGIN = 8 / 7  # ImageNet's 256 to 224

Resize = Literal["squash", "crop"]
"""squash: nearest pixel to a square, as in training; crop: the centre of the image scaled to 8/7 of the size."""


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Returns the image files in `paths` and in folders among them. Raises UserError for a path without images."""
    found = []
    for path in paths:
        if not path.exists():
            raise UserError(f"no image or folder {path}")
        if not path.is_dir():
            check_file(path)
            found.append(path)
        elif below := [file for file in list_files(path) if is_image(file)]:
            found += below
        else:
            raise UserError(f"folder {path} holds no image (PNG, JPEG, TIFF, BMP, WebP, DICOM)")
    return found


def read_batches(
    paths: Sequence[Path], size: int, resize: Resize, batch_size: int
) -> Iterator[tuple[list[Path], UInt8[np.ndarray, "b h w 3"], list[str]]]:
    """Yields files that could be read, their pixels, and errors of the others, `batch_size` files at a time.

    The pixels always fill a whole batch, so that one compiled program serves all; rows beyond the files are zero.
    """
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), batch_size):
            part = paths[start : start + batch_size]
            images = list(pool.map(lambda path: read_image(path, size, resize), part))
            good = [path for path, image in zip(part, images, strict=True) if not isinstance(image, str)]
            filled = np.zeros((batch_size, size, size, 3), np.uint8)
            if read := [image for image in images if not isinstance(image, str)]:
                filled[: len(read)] = read
            yield good, filled, [image for image in images if isinstance(image, str)]


def read_image(path: Path, size: int, resize: Resize) -> UInt8[np.ndarray, "h w 3"] | str:
    """Returns the image as a square, or an error message."""
    try:
        image = decode_file(path)
    except BadImage as reason:
        return f"{path} {reason}"
    return to_square(image if resize == "squash" else centre(image, size), size)


def centre(image: Image.Image, size: int) -> Image.Image:
    """Returns the central square of the image, scaled so that its short side was 8/7 of `size`."""
    scale = round(size * CROP_MARGIN) / min(image.size)
    image = image.convert("RGB").resize(
        [max(size, round(side * scale)) for side in image.size], Image.Resampling.BILINEAR
    )
    left, top = ((side - size) // 2 for side in image.size)
    return image.crop((left, top, left + size, top + size))


def refuse_bad(bad: Sequence[str], any_good: bool, skip_bad: bool) -> None:
    """Raises UserError for files that cannot be read, unless they may be left out and some are left."""
    if bad and not (skip_bad and any_good):
        hint = "" if skip_bad else "; fix them, or leave them out with --skip-bad"
        raise UserError(f"{'; '.join(bad[:10])}{' ...' if len(bad) > 10 else ''}{hint}")
