"""Breast ultrasound (BUSI): benign or malignant; `normal` counts as benign, as in the paper; masks are not images."""

from collections.abc import Iterator
from pathlib import Path

from tljax.datasets.dataset import Card, Example
from tljax.datasets.listing import files_in, find_folder

CARD = Card(
    name="breast",
    title="Breast ultrasound (BUSI); normal counts as benign",
    classes=("benign", "malignant"),
    images=780,
    image_size=224,
    batch_size=16,
    flip=True,
    grouped_by="none",
    licence="CC0 1.0 (Kaggle); cite Al-Dhabyani et al. 2020, doi:10.1016/j.dib.2019.104863",
    source="https://www.kaggle.com/datasets/aryashah2k/breast-ultrasound-images-dataset",
)

CLASS_OF_FOLDER = {"benign": "benign", "malignant": "malignant", "normal": "benign"}


def examples(archive: Path) -> Iterator[Example]:
    root = find_folder(archive, CARD.name, *CLASS_OF_FOLDER)
    for folder, label in CLASS_OF_FOLDER.items():
        for path in files_in(root / folder, ".png"):
            if "_mask" not in path.stem:
                yield Example(path.relative_to(root).as_posix(), label, path)
