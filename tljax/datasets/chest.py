"""Pneumonia in chest X-rays of children (Kermany et al. 2018). The archive's own split is pooled, as in the paper."""

import re
from collections.abc import Iterator
from pathlib import Path

from tljax.datasets.common.archive import files_in, find_folder
from tljax.datasets.common.base import Card, Example
from tljax.errors import UserError

CARD = Card(
    name="chest",
    title="Pneumonia in paediatric chest X-rays",
    classes=("NORMAL", "PNEUMONIA"),
    images=5856,
    image_size=112,
    batch_size=128,
    flip=False,
    grouped_by="patient",
    licence="CC BY 4.0; cite Kermany et al. 2018, doi:10.17632/rscbjbr9sj.2",
    source="https://www.kaggle.com/datasets/paultimothymooney/chest-xray-pneumonia",
)

# person<N>_<bacteria|virus>_..., or IM-<N>-... with or without NORMAL2- before it: N numbers the patients of each kind
PATIENT = re.compile(r"(person\d+)_|(?:NORMAL2-)?IM-(\d+)-")


def examples(archive: Path) -> Iterator[Example]:
    root = find_folder(archive, CARD.name, "train", "val", "test")
    for folder in ("train", "val", "test"):
        for label in CARD.classes:
            for path in files_in(root / folder / label, ".jpeg"):
                yield Example(path.relative_to(root).as_posix(), label, path, _patient(path))


def _patient(path: Path) -> str:
    found = PATIENT.match(path.name)
    if not found:
        raise UserError(
            f"{path} is not named as in the archive (person1_virus_2.jpeg, IM-0001-0001.jpeg): whose is it?"
        )
    return found[1] or found[2]
