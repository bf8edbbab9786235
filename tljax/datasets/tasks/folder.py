"""Bring your own: `--dataset folder --data-dir DIR`, laid out in one of three ways.

* `labels.csv` with the columns `file,label` and, where known, `patient` and `split` (train, val or test);
* one folder a class;
* `train/`, `val/` and `test/`, each with one folder a class.
"""

import difflib
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path, PurePosixPath

from tljax.core.errors import UserError
from tljax.datasets.archive import PACKED_SUFFIXES
from tljax.datasets.dataset import Card, Example
from tljax.datasets.decoding import is_image
from tljax.datasets.listing import list_files
from tljax.datasets.tables import read_table

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
    version=2,
    source="your disk: a folder a class, train/val/test over such, or a labels.csv (file,label[,patient][,split])",
)

SPLITS = ("train", "val", "test")
SPLIT_OF = {"training": "train", "valid": "val", "validation": "val", "testing": "test"} | {
    name: name for name in SPLITS
}
TABLE = "labels.csv"
ALIASES = dict.fromkeys(("patient", "patient_id", "patient id", "patientid"), "patient") | {"split": "split"}
UNKNOWN = frozenset({"", "-", "?", "na", "n/a", "nan", "none", "null", "unknown"})  # a patient who is not named
DRAWN = r"(?:mask|seg|segmentation|annotation|label|gt|ground[ _-]?truth)s?"
MASK = re.compile(rf"{DRAWN}[ _-](?P<after>.+)|(?P<before>.+?)[ _-]{DRAWN}(?:[ _-]?\d+)?", re.IGNORECASE)
MASKS = re.compile(DRAWN.replace("seg|", ""), re.IGNORECASE)  # seg is a class of blood cells, too
UNREAD_SUFFIXES = frozenset(
    {".avif", ".gif", ".heic", ".heif", ".j2k", ".jp2", ".mha", ".mhd", ".ndpi", ".nii", ".npy", ".npz", ".nrrd"}
    | {".pgm", ".ppm", ".svs"}
)


def examples(archive: Path) -> Iterator[Example]:
    files = list_files(archive)
    images = [path for path in files if is_image(path)]
    others = sorted(set(files) - set(images))
    if not images:
        raise UserError(_describe_nothing(archive, others))
    if table := _table(archive, files):
        found = list(_from_table(archive, table, files))
    else:
        _refuse_masks(archive, images)
        _report(archive, others)
        found = list(_from_folders(archive, images))
    _check_names({example.label for example in found}, archive)
    if split := {example.split for example in found if example.split}:
        _check_splits(split, archive)
    elif found and found[0].patient is None:
        _warn_of_patients(any(len(PurePosixPath(example.file).parts) > 2 for example in found))
    yield from found


def _table(archive: Path, files: list[Path]) -> Path | None:
    """The table of labels, whatever its case; it has to lie in `archive` itself, as its paths begin there."""
    tables = [path for path in files if path.name.lower() == TABLE]
    match [path for path in tables if path.parent == archive]:
        case [table]:
            return table
        case [one, other, *_]:
            raise UserError(f"{one} and {other.name} are both tables of labels; keep one")
    if tables:
        raise UserError(
            f"{tables[0]} is not in {archive} itself: give {tables[0].parent} with --data-dir, or move the table up "
            f"and write its paths from there; if it is no table of labels, give it another name"
        )
    return None


def _kinds(paths: Iterable[Path]) -> str:
    """How many files there are of each suffix."""
    counts = Counter(path.suffix.lower() or "without a suffix" for path in paths)
    return ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())


def _describe_nothing(archive: Path, others: Sequence[Path]) -> str:
    message = f"{archive} holds no image of a kind that is read (PNG, JPEG, TIFF, BMP, WebP, DICOM)"
    if not others:
        return f"{message}; it is empty"
    if any(path.name.lower().endswith(PACKED_SUFFIXES) for path in others):
        return f"{message}, but packed files ({_kinds(others)}): unpack them yourself and give the folder"
    return f"{message}, but {_kinds(others)}; save the images or slices as PNG or DICOM"


def _refuse_masks(archive: Path, images: Sequence[Path]) -> None:
    """A mask that lies in the folder of a class, or in one of its own, would be an image of that class."""
    apart = {path for path in images if any(map(_holds_masks, _folders(path, archive)))}
    image_of = {path.stem: path for path in images if path not in apart}
    stems = ((path, path.stem if path in apart else _masked(path.stem)) for path in images)
    if found := [(path, stem) for path, stem in stems if stem in image_of]:
        mask, stem = found[0]
        raise UserError(
            f"{len(found)} files of {archive} are masks, as {mask} of {image_of[stem].name}: move them away, or they "
            f"would be images of their class (the task breast leaves those of BUSI out by itself); if they are no "
            f"masks, list all images in a {TABLE}"
        )


def _folders(path: Path, archive: Path) -> list[Path]:
    """The folders in `archive` that `path` lies in."""
    return [archive / folder for folder in path.relative_to(archive).parents[:-1]]


def _holds_masks(folder: Path) -> bool:
    """Is it called `masks`, or `cat_masks` beside `cat`?"""
    name = _masked(folder.name)
    return bool(MASKS.fullmatch(folder.name)) or (name is not None and (folder.parent / name).is_dir())


def _masked(name: str) -> str | None:
    """What a mask of that name is the mask of."""
    found = MASK.fullmatch(name)
    return found and (found["after"] or found["before"])


def _report(archive: Path, others: Sequence[Path]) -> None:
    if others:
        first = others[0].relative_to(archive)
        print(f"{len(others)} files are not images and are left out ({_kinds(others)}), as {first}", file=sys.stderr)
    if unread := [path for path in others if path.suffix.lower() in UNREAD_SUFFIXES]:
        print(f"WARNING: images of these kinds are not read: {_kinds(unread)}; save them as PNG", file=sys.stderr)


def _check_names(labels: Set[str], archive: Path) -> None:
    """Classes whose names look alike are one that was misspelt; a line break would part one name into two."""
    spelt: dict[str, str] = {}
    for label in sorted(labels):
        if len(label.splitlines()) > 1:
            raise UserError(f"{archive}: the class {label!r} has a line break in its name; give it another name")
        if (other := spelt.setdefault(unicodedata.normalize("NFC", label).strip().casefold(), label)) != label:
            how = "case" if other.casefold() == label.casefold() else "spaces or in how accents are stored"
            raise UserError(f"{archive}: the classes {other} and {label} differ in {how} only; give them one name")


def _check_splits(split: Set[str], archive: Path) -> None:
    if absent := [name for name in SPLITS if name not in split]:
        raise UserError(
            f"{archive} has images for {', '.join(sorted(split))}, but none for {', '.join(absent)}: move some there "
            f"(whole patients), or leave the split out, so that folds are made of all images"
        )


def _warn_of_patients(nested: bool) -> None:
    folders = " Folders inside the folder of a class are not taken for patients." if nested else ""
    print(
        f"WARNING: nothing says which images are of the same patient. If a patient has several, their likeness leaks "
        f"from training into testing and every score is too good. Name the patients in {TABLE} "
        f"(file,label,patient).{folders}",
        file=sys.stderr,
    )


def _from_table(archive: Path, table: Path, files: list[Path]) -> Iterator[Example]:
    paths = {_key(path.relative_to(archive).as_posix(), archive): path for path in files}
    line_of: dict[str, int] = {}
    rows = read_table(table, ("file", "label"), ALIASES)
    if rows and "patient" not in rows[0][1] and (like := [name for name in rows[0][1] if "patient" in name.lower()]):
        print(f"WARNING: {TABLE}: is {like[0]} the patient? It is not read; call it patient", file=sys.stderr)
    for line, row in rows:
        place, name = f"{table}, line {line}", _key(row["file"], archive)
        if name not in paths:
            near = difflib.get_close_matches(name, paths, 1)
            hint = f"is {near[0]!r} meant?" if near else "correct the name or drop the line"
            raise UserError(f"{place}: there is no file {row['file']!r} in {archive}; {hint}")
        if name in line_of:
            raise UserError(f"{place}: {row['file']} is listed in line {line_of[name]} already; keep one of the two")
        if not row["label"]:
            raise UserError(f"{place}: {row['file']} has no label")
        if "patient" in row and row["patient"].lower() in UNKNOWN:
            said = f"no patient but {row['patient']!r}" if row["patient"] else "no patient"
            raise UserError(f"{place}: {row['file']} has {said}; fill the column for all images or leave it out")
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
