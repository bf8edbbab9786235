"""Caches pixels: one uint8 array per task and image size, decoded once on all cores and then memory-mapped.

Next to the pixels are a thumbnail and a digest of every original, so that `duplicates` works at any image size.

A store is built in blocks, which are never half-written, so that an interrupted preparation can continue.
The finished store appears by one rename. Threads are used, not processes: Pillow, numpy and scipy release the
interpreter lock while they work, nothing is pickled, and JAX's process is not forked.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int32, Shaped, UInt8
from PIL import Image

from tljax.core.errors import UserError
from tljax.core.files import replacing
from tljax.core.locks import in_turn
from tljax.core.progress import progress_bar
from tljax.datasets.decoding import BadImage, to_square
from tljax.datasets.signatures import SIGNATURE, Signature, signature_of

FORMAT = 1  # of the store and of decoding, shared by all tasks; raise it whenever the pixels change
BLOCK_BYTES = 32 << 20
MAX_BLOCK = 256  # so that little is lost by an interruption
SHOWN = 10
MEMORY = 400 << 20  # for all threads; keeps preparation under 1 GB, imports included
THREADS = min(os.cpu_count() or 1, 16)


@dataclass(frozen=True)
class Row:
    """The facts about an example other than its pixels."""

    file: str
    label: str
    patient: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Store:
    """A finished store on disk."""

    images: UInt8[np.ndarray, "n h w 3"]
    rows: tuple[Row, ...]
    classes: tuple[str, ...]
    skipped: dict[str, str]  # file: reason
    fingerprint: str


@runtime_checkable
class Source(Protocol):
    """Where the images of a store come from."""

    @property
    def rows(self) -> Sequence[Row]: ...

    @property
    def classes(self) -> Sequence[str]: ...

    @property
    def skipped(self) -> Mapping[str, str]:
        """Images that are already known to be bad: file and reason."""
        ...

    @property
    def memory(self) -> int:
        """Bytes needed to decode the largest image."""
        ...

    def image(self, index: int) -> Image.Image:
        """Returns the image of `rows[index]`, in 8 bits; called from many threads. Raises `BadImage`."""
        ...


def build(folder: Path, source: Source, size: int, *, title: str, progress: bool) -> None:
    """Writes the store `folder`.

    Images that cannot be read are left out and recorded with those of `source.skipped`; the caller decides whether that
    is acceptable. An interrupted build continues after its last complete block.
    """
    rows = source.rows
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    step = max(1, min(MAX_BLOCK, BLOCK_BYTES // (size * size * 3)))
    blocks = [range(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]
    with ThreadPoolExecutor(workers(source.memory)) as pool, progress_bar(title, len(rows), progress) as advance:
        for block in blocks:
            path = partial / f"block-{block.start:07d}.npz"
            if not path.exists():
                _write_block(path, list(pool.map(lambda i: _attempt(source, i, size), block)), size)
            advance(len(block))
    _join(partial, blocks, source, size)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def workers(memory: int) -> int:
    """Returns the number of threads for images that take this many bytes each; one per core if they are small."""
    return max(1, min(THREADS, MEMORY // max(memory, 1)))


Prepared = tuple[UInt8[np.ndarray, "size size 3"], Signature]


def _attempt(source: Source, index: int, size: int) -> Prepared | BadImage:
    try:
        image = source.image(index)
        return to_square(image, size), signature_of(image)
    except BadImage as reason:
        return reason


def _write_block(path: Path, outcomes: list[Prepared | BadImage], size: int) -> None:
    good = [outcome for outcome in outcomes if not isinstance(outcome, BadImage)]
    reasons = [str(outcome) if isinstance(outcome, BadImage) else "" for outcome in outcomes]
    images = np.stack([pixels for pixels, _ in good]) if good else np.empty((0, size, size, 3), np.uint8)
    signatures = np.array([signature for _, signature in good], SIGNATURE)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, images=images, looks=signatures, reasons=np.array(reasons, dtype=np.str_))


def _join(partial: Path, blocks: list[range], source: Source, size: int) -> None:
    """Joins the blocks to `images.npy`, `looks.npy` and `rows.json`, and removes them."""
    skipped, good, signatures = dict(source.skipped), [], []
    for block in blocks:
        with np.load(partial / f"block-{block.start:07d}.npz") as stored:
            for row, reason in zip(source.rows[block.start : block.stop], stored["reasons"].tolist(), strict=True):
                if reason:
                    skipped[row.file] = reason
                else:
                    good.append(row)
            signatures.append(stored["looks"])
    np.save(partial / "looks.npy", np.concatenate(signatures) if signatures else np.empty(0, SIGNATURE))
    digest = hashlib.sha256()
    with open(partial / "images.npy", "wb") as file:
        shape = (len(good), size, size, 3)
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for block in blocks:
            with np.load(partial / f"block-{block.start:07d}.npz") as stored:
                content = stored["images"].tobytes()
            digest.update(content)
            file.write(content)
    listing = [[row.file, row.label, row.patient, row.split] for row in good]
    classes = list(source.classes)
    digest.update(json.dumps([size, classes, listing]).encode())
    facts = {"fingerprint": digest.hexdigest()[:16], "classes": classes, "skipped": skipped, "rows": listing}
    (partial / "rows.json").write_text(json.dumps(facts), encoding="utf-8")
    for block in blocks:
        (partial / f"block-{block.start:07d}.npz").unlink()


def open_store(folder: Path) -> Store:
    """Opens a finished store. Its pixels are memory-mapped and read-only. Raises `UserError` if it is damaged."""
    try:
        content = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
        images = np.load(folder / "images.npy", mmap_mode="r")
        rows = tuple(Row(*row) for row in content["rows"])
        if len(images) != len(rows):
            raise ValueError(f"{len(images)} images, {len(rows)} rows")
        return Store(images, rows, tuple(content["classes"]), content["skipped"], content["fingerprint"])
    except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from error


def open_signatures(folder: Path) -> Shaped[np.ndarray, " n"]:
    """Returns the thumbnail and the digest of each original (`SIGNATURE`). Raises `UserError` if they are damaged."""
    try:
        return np.load(folder / "looks.npy", mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> UserError:
    return UserError(f"the prepared data in {folder} is damaged ({error}); delete that folder")


def encode_labels(labels: Sequence[str], classes: Sequence[str]) -> Int32[np.ndarray, " n"]:
    """Returns the positions of class names in `classes`."""
    position = {name: index for index, name in enumerate(classes)}
    return np.array([position[label] for label in labels], np.int32)


def describe_bad(bad: dict[str, str]) -> str:
    """Returns the first few bad images, one per line, and the number of others."""
    lines = [f"  {file}: {reason}" for file, reason in list(bad.items())[:SHOWN]]
    return "\n".join([*lines, f"  ... and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else lines)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lets one process at a time prepare `folder`; the others wait and then find it prepared."""
    folder.mkdir(parents=True, exist_ok=True)
    with in_turn(folder / ".lock"):
        yield
