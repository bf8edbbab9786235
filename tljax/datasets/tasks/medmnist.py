"""MedMNIST: any two-dimensional set, from its `.npz` file, with its own split."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from tljax.core.errors import UserError
from tljax.datasets.dataset import Card, Example
from tljax.datasets.listing import find_folder, list_files

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
    """Yields the images. archive: the unpacked `.npz`, with one `.npy` file per array."""
    sets = {path.parent for path in list_files(archive) if path.name == "train_images.npy"}
    if len(sets) > 1:
        found = ", ".join(sorted(folder.name for folder in sets))
        raise UserError(f"there are {len(sets)} sets of MedMNIST ({found}); give the .npz file of one with --data-dir")
    root = find_folder(
        archive, CARD.name, *(f"{split}_{kind}.npy" for split in SPLITS for kind in ("images", "labels"))
    )
    labels = {split: _labels(root, split) for split in SPLITS}
    if (side := _array(root, "train_images").shape[1]) != CARD.image_size:
        print(f"medmnist: images of {side} px; without --image-size they become {CARD.image_size} px", file=sys.stderr)
    width = len(str(max(max(numbers) for numbers in labels.values())))
    for split in SPLITS:
        for row, label in enumerate(labels[split]):
            yield Example(f"{split}_{row:06d}.png", f"{label:0{width}d}", partial(_read, root, split, row), split=split)


def _labels(root: Path, split: str) -> list[int]:
    """Returns the class of each image of a split. Raises `UserError` for a set that is not covered."""
    images, labels = _array(root, f"{split}_images"), _array(root, f"{split}_labels")
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3):
        raise UserError(
            f"{split}_images has the shape {images.shape}; (n, h, w) or (n, h, w, 3) is expected, as in the 2-D sets"
        )
    if images.dtype != np.uint8:
        raise UserError(
            f"{split}_images holds numbers of the kind {images.dtype}; uint8 is expected, as MedMNIST has it"
        )
    if not len(images):
        raise UserError(f"{split}_images holds no image")
    if labels.ndim not in (1, 2) or len(labels) != len(images):
        raise UserError(
            f"{split}_labels has the shape {labels.shape} for {len(images)} images; one label per image is expected"
        )
    if labels.ndim == 2 and labels.shape[1] != 1:
        raise UserError(
            f"{split}_labels has {labels.shape[1]} labels per image; sets of one label per image are covered"
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0:
        raise UserError(f"{split}_labels holds values of the kind {labels.dtype}; integers from 0 on are expected")
    return labels.reshape(-1).tolist()


def _array(root: Path, name: str) -> np.ndarray:
    try:
        return np.load(root / f"{name}.npy", mmap_mode="r")
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{name} is not an array of numbers ({error}); fetch the .npz file again") from error


def _read(root: Path, split: str, row: int) -> np.ndarray:
    return np.load(root / f"{split}_images.npy", mmap_mode="r")[row]
