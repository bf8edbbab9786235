"""MedMNIST: any of its two-dimensional sets as the `.npz` file it comes in, with its own split."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from tljax.datasets.common.archive import find_folder
from tljax.datasets.common.base import Card, Example
from tljax.errors import UserError

CARD = Card(
    name="medmnist",
    title="Any 2-D set of MedMNIST (--data-dir FILE.npz)",
    classes=(),
    images=None,
    image_size=28,
    batch_size=128,
    flip=False,
    grouped_by="none",
    licence="CC BY 4.0 or CC BY-NC 4.0 by set; cite Yang et al. 2023, doi:10.1038/s41597-022-01721-8",
    source="https://medmnist.com",
)

SPLITS = ("train", "val", "test")


def examples(archive: Path) -> Iterator[Example]:
    """`archive` is the unpacked `.npz`: a `.npy` file for each of its arrays."""
    root = find_folder(
        archive, CARD.name, *(f"{split}_{kind}.npy" for split in SPLITS for kind in ("images", "labels"))
    )
    for split in SPLITS:
        images = np.load(root / f"{split}_images.npy", mmap_mode="r")
        labels = np.load(root / f"{split}_labels.npy", allow_pickle=False)
        if images.ndim not in (3, 4) or images.dtype != np.uint8 or (images.ndim == 4 and images.shape[-1] != 3):
            raise UserError(f"{split}_images has the shape {images.shape}: not one of MedMNIST's 2-D sets")
        if labels.shape not in ((len(images), 1), (len(images),)):
            raise UserError(
                f"{split}_labels has the shape {labels.shape}: sets of several labels an image are not covered"
            )
        width = len(str(int(labels.max())))
        for row, label in enumerate(labels.reshape(-1).tolist()):
            yield Example(f"{split}_{row:06d}.png", f"{label:0{width}d}", partial(_read, root, split, row), split=split)


def _read(root: Path, split: str, row: int) -> np.ndarray:
    return np.load(root / f"{split}_images.npy", mmap_mode="r")[row]
