"""Bring your own: `--dataset folder --data-dir DIR`. PNG, JPEG, TIFF, BMP or DICOM, laid out in one of three ways.

* `labels.csv` with the columns `file,label` and, where known, `patient` and `split` (train, val or test);
* one folder a class;
* `train/`, `val/` and `test/`, each with one folder a class.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tljax.datasets.common.archive import list_files
from tljax.datasets.common.base import Card, Example
from tljax.datasets.common.decode import is_image
from tljax.datasets.common.tables import read_table
from tljax.errors import UserError

CARD = Card(
    name="folder",
    title="Your own images (--data-dir DIR)",
    classes=(),
    images=None,
    image_size=224,
    batch_size=16,
    flip=True,
    grouped_by="patient",
    licence="yours",
    source="your disk: a folder a class, train/val/test over such, or a labels.csv (file,label[,patient][,split])",
)

SPLITS = ("train", "val", "test")
TABLE = "labels.csv"


def examples(archive: Path) -> Iterator[Example]:
    found = list(_from_table(archive) if (archive / TABLE).is_file() else _from_folders(archive))
    if found and found[0].patient is None and found[0].split is None:
        print(
            f"WARNING: nothing says which images of {archive} are of the same patient. If a patient has several, their "
            f"likeness leaks from training into testing and every score is too good. Name the patients in {TABLE} "
            f"(file,label,patient).",
            file=sys.stderr,
        )
    yield from found


def _from_table(archive: Path) -> Iterator[Example]:
    table = archive / TABLE
    rows = read_table(table, ("file", "label"))
    files = {path.relative_to(archive).as_posix(): path for path in list_files(archive)}
    for line, row in enumerate(rows, 2):
        place = f"{table}, line {line}"
        if row["file"] not in files:
            raise UserError(
                f"{place}: there is no file {row['file']!r} in {archive}; correct the name or drop the line"
            )
        if not row["label"]:
            raise UserError(f"{place}: {row['file']} has no label")
        if "patient" in row and not row["patient"]:
            raise UserError(f"{place}: {row['file']} has no patient; fill the column for all images or leave it out")
        if "split" in row and row["split"] not in SPLITS:
            raise UserError(f"{place}: the split {row['split']!r} is none of train, val and test")
        yield Example(row["file"], row["label"], files[row["file"]], row.get("patient"), row.get("split"))
    listed = {row["file"] for row in rows}
    if unlisted := [name for name, path in files.items() if name not in listed and is_image(path)]:
        raise UserError(f"{archive / unlisted[0]} and {len(unlisted) - 1} more images have no line in {table}")


def _from_folders(archive: Path) -> Iterator[Example]:
    """Classes are folders; where `train`, `val` and `test` are among them, they are the split."""
    paths = [path for path in list_files(archive) if is_image(path)]
    names = {path.relative_to(archive).parts[0] for path in paths}
    has_splits = bool(names & {"train", "test"}) and names <= set(SPLITS)
    if has_splits and (absent := [split for split in SPLITS if split not in names]):
        raise UserError(f"{archive} has no folder {', '.join(absent)} with images, but {', '.join(sorted(names))}")
    for path in paths:
        parts = path.relative_to(archive).parts
        if len(parts) < 2 + has_splits:
            where = (
                "the folder of a class in train, val or test"
                if has_splits
                else f"the folder of a class, and no {TABLE}"
            )
            raise UserError(f"{path} does not lie in {where} says its label")
        yield Example("/".join(parts), parts[has_splits], path, split=parts[0] if has_splits else None)
