"""Pneumonia in chest X-rays of children (Kermany et al. 2018). The archive's own split is pooled, as in the paper.

In Kaggle's copy, some images of `train` are in `val`. The originals at Mendeley Data have no `val`. The third version
there names files by the disease, the patient and the number of the image.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tljax.core.errors import UserError
from tljax.datasets.dataset import Card, Example
from tljax.datasets.listing import files_in, find_folder

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

# person<N>_<bacteria|virus>_..., or IM-<N>-... with or without NORMAL2- before it: N numbers the patients of each kind.
# Or NORMAL-<N>-..., BACTERIA-<N>-..., VIRUS-<N>-...: N numbers the patients of all kinds.
PATIENT = re.compile(r"(person\d+)_|(?:NORMAL2-)?IM-(\d+)-|(?:NORMAL|BACTERIA|VIRUS)-(\d+)-")


def examples(archive: Path) -> Iterator[Example]:
    needed = (f"{part}/{label}" for part in ("train", "test") for label in CARD.classes)
    root = find_folder(archive, CARD.name, *needed)  # needs the classes, as a set of retinal scans has the same parts
    for part in (part for part in ("train", "val", "test") if (root / part).is_dir()):
        for label in CARD.classes:
            for path in files_in(root / part / label, ".jpeg"):
                yield Example(path.relative_to(root).as_posix(), label, path, _patient(path))


def _patient(path: Path) -> str:
    found = PATIENT.match(path.name)
    if not found:
        raise UserError(
            f"{path} is not named as in the archive (person1_virus_2.jpeg, IM-0001-0001.jpeg, VIRUS-1-0001.jpeg), so "
            f"its patient is unknown; rename it or move it elsewhere"
        )
    return next(patient for patient in found.groups() if patient)
