"""Reads images that a `labels.csv` lists, with their labels and, if known, patients and parts of a split."""

import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tljax.core.errors import UserError, counted, did_you_mean
from tljax.datasets.dataset import Example
from tljax.datasets.decoding import is_image
from tljax.datasets.naming import MISSING, UNKNOWN_PATIENT, comparable, first_clash, how_they_differ
from tljax.datasets.tables import read_table

SPLITS = ("train", "val", "test")
SPLIT_OF = {"training": "train", "valid": "val", "validation": "val", "testing": "test"} | {
    name: name for name in SPLITS
}
TABLE = "labels.csv"
ALIASES = dict.fromkeys(("patient", "patient_id", "patient id", "patientid"), "patient") | {"split": "split"}


def find_table(archive: Path, files: list[Path]) -> Path | None:
    """Returns the table of labels; None if there is none. The case of its name does not matter.

    Raises `UserError` if there are several, or if it is not in `archive` itself, where its paths begin.
    """
    tables = [path for path in files if path.name.lower() == TABLE]
    match [path for path in tables if path.parent == archive]:
        case [table]:
            return table
        case [one, other, *_]:
            raise UserError(f"{one} and {other.name} are both tables of labels; keep one")
    if tables:
        raise UserError(
            f"{tables[0]} is not in {archive} itself: give {tables[0].parent} with --data-dir, or move the table to "
            f"{archive} and write its paths from there; if it is not a table of labels, give it another name"
        )
    return None


def from_table(archive: Path, table: Path, files: list[Path]) -> Iterator[Example]:
    """Yields the images in the order of the table. Raises `UserError`, with the number of the line, for a mistake."""
    paths = _by_name(archive, files)
    line_of: dict[str, int] = {}
    rows = read_table(table, ("file", "label"), ALIASES)
    if rows and "patient" not in rows[0][1] and (like := [name for name in rows[0][1] if "patient" in name.lower()]):
        print(
            f"WARNING: {TABLE}: the column {like[0]} is not read; if it holds the patients, name it patient",
            file=sys.stderr,
        )
    for line, row in rows:
        place, name = f"{table}, line {line}", _key(row["file"], archive)
        if name not in paths:
            hint = did_you_mean(name, paths) or "; correct the name, or remove the line"
            raise UserError(f"{place}: there is no file {row['file']!r} in {archive}{hint}")
        if name in line_of:
            raise UserError(f"{place}: {row['file']} is listed in line {line_of[name]} already; keep one of the two")
        if comparable(row["label"]) in MISSING:
            said = f"the label {row['label']!r}, which means unknown" if row["label"] else "no label"
            raise UserError(f"{place}: {row['file']} has {said}; write its class, or remove the line and the image")
        if "patient" in row and comparable(row["patient"]) in UNKNOWN_PATIENT:
            said = f"the patient {row['patient']!r}, which means unknown" if row["patient"] else "no patient"
            raise UserError(f"{place}: {row['file']} has {said}; fill the column for all images, or leave it out")
        if "split" in row and row["split"].lower() not in SPLIT_OF:
            raise UserError(f"{place}: the split {row['split']!r} is not one of train, val and test")
        line_of[name] = line
        split = SPLIT_OF[row["split"].lower()] if "split" in row else None
        yield Example(name, row["label"], paths[name], row.get("patient"), split)
    if "patient" in (rows[0][1] if rows else ()) and (clash := first_clash(row["patient"] for _, row in rows)):
        raise UserError(
            f"{table}: the patients {clash[0]!r} and {clash[1]!r} differ in {how_they_differ(*clash)} only; "
            f"write each patient in one way"
        )
    if unlisted := [name for name, path in paths.items() if name not in line_of and is_image(path)]:
        raise UserError(
            f"{counted(len(unlisted), 'image')} without a line in {table}, such as {archive / unlisted[0]}; add lines, "
            "or move the images elsewhere"
        )


def _by_name(archive: Path, files: list[Path]) -> dict[str, Path]:
    """Returns the files by their names below `archive`. Raises `UserError` if two names look the same."""
    paths: dict[str, Path] = {}
    for path in files:
        if (other := paths.setdefault(_key(path.relative_to(archive).as_posix(), archive), path)) != path:
            raise UserError(
                f"{other} and {path} have the same name, which is stored in two Unicode forms; rename one of them"
            )
    return paths


def _key(name: str, archive: Path) -> str:
    """Returns a file's name below `archive`, from one that may be absolute or have ./, backslashes or NFD accents."""
    path = PurePosixPath(name.replace("\\", "/"))
    for root in (archive.absolute(), archive.resolve()):
        if path.is_relative_to(root):
            path = path.relative_to(root)
    return unicodedata.normalize("NFC", path.as_posix())
