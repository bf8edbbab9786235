"""Bring your own: `--dataset folder --data-dir DIR`. PNG, JPEG, TIFF, BMP or DICOM, laid out in one of three ways.

* `labels.csv` with the columns `file,label` and, where known, `patient` and `split` (train, val or test);
* one folder a class;
* `train/`, `val/` and `test/`, each with one folder a class.
"""

import difflib
import sys
import unicodedata
from collections.abc import Iterator, Set
from pathlib import Path, PurePosixPath

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
SPLIT_OF = {"training": "train", "valid": "val", "validation": "val", "testing": "test"} | {
    name: name for name in SPLITS
}
TABLE = "labels.csv"


def examples(archive: Path) -> Iterator[Example]:
    files = list_files(archive)
    images = [path for path in files if is_image(path)]
    has_table = archive / TABLE in files
    found = list(_from_table(archive, files) if has_table else _from_folders(archive, images))
    others = [] if has_table else sorted(set(files) - set(images))
    if others:
        print(f"{len(others)} files of {archive} are not images and are left out, as {others[0]}", file=sys.stderr)
    if split := {example.split for example in found if example.split}:
        _check_splits(split, archive)
    elif found and found[0].patient is None:
        _warn_of_patients(archive, any(len(PurePosixPath(example.file).parts) > 2 for example in found))
    yield from found


def _check_splits(split: Set[str], archive: Path) -> None:
    if absent := [name for name in SPLITS if name not in split]:
        raise UserError(
            f"{archive} has images for {', '.join(sorted(split))}, but none for {', '.join(absent)}: move some there "
            f"(whole patients), or leave the split out, so that folds are made of all images"
        )


def _warn_of_patients(archive: Path, nested: bool) -> None:
    folders = " Folders inside the folder of a class are not taken for patients." if nested else ""
    print(
        f"WARNING: nothing says which images of {archive} are of the same patient. If a patient has several, their "
        f"likeness leaks from training into testing and every score is too good. Name the patients in {TABLE} "
        f"(file,label,patient).{folders}",
        file=sys.stderr,
    )


def _from_table(archive: Path, files: list[Path]) -> Iterator[Example]:
    table = archive / TABLE
    paths = {_key(path.relative_to(archive).as_posix(), archive): path for path in files}
    line_of: dict[str, int] = {}
    for line, row in read_table(table, ("file", "label")):
        place, name = f"{table}, line {line}", _key(row["file"], archive)
        if name not in paths:
            near = difflib.get_close_matches(name, paths, 1)
            hint = f"is {near[0]!r} meant?" if near else "correct the name or drop the line"
            raise UserError(f"{place}: there is no file {row['file']!r} in {archive}; {hint}")
        if name in line_of:
            raise UserError(f"{place}: {row['file']} is listed in line {line_of[name]} already; keep one of the two")
        if not row["label"]:
            raise UserError(f"{place}: {row['file']} has no label")
        if "patient" in row and not row["patient"]:
            raise UserError(f"{place}: {row['file']} has no patient; fill the column for all images or leave it out")
        if "split" in row and row["split"].lower() not in SPLIT_OF:
            raise UserError(f"{place}: the split {row['split']!r} is none of train, val and test")
        line_of[name] = line
        split = SPLIT_OF[row["split"].lower()] if "split" in row else None
        yield Example(name, row["label"], paths[name], row.get("patient"), split)
    if unlisted := [name for name, path in paths.items() if name not in line_of and is_image(path)]:
        raise UserError(
            f"{archive / unlisted[0]} and {len(unlisted) - 1} more images have no line in {table}; add lines for them "
            f"or move them away"
        )


def _key(name: str, archive: Path) -> str:
    """A file's name below `archive` however it is written: absolute, with ./ or backslashes, accents in two letters."""
    path = PurePosixPath(name.replace("\\", "/"))
    for root in (archive.absolute(), archive.resolve()):
        if path.is_relative_to(root):
            path = path.relative_to(root)
    return unicodedata.normalize("NFC", path.as_posix())


def _from_folders(archive: Path, paths: list[Path]) -> Iterator[Example]:
    """Classes are folders; where `train` is among them, they are the parts of a split over such."""
    names = {path.relative_to(archive).parts[0] for path in paths}
    split_of = {name: SPLIT_OF[name.lower()] for name in names if name.lower() in SPLIT_OF}
    has_splits = "train" in split_of.values()
    if has_splits and (others := sorted(names - split_of.keys())):
        raise UserError(
            f"{archive / others[0]} lies beside {', '.join(sorted(split_of))}: a class, or a part of a split?"
        )
    for path in paths:
        parts = path.relative_to(archive).parts
        if len(parts) < 2 + has_splits:
            where = " in train, val or test" if has_splits else f", and there is no {TABLE} that names its class"
            raise UserError(f"{path} does not lie in the folder of a class{where}")
        yield Example("/".join(parts), parts[has_splits], path, split=split_of[parts[0]] if has_splits else None)
