"""Reads your own images (`--dataset folder --data-dir DIR`), in one of three layouts.

* `labels.csv` with the columns `file,label` and, if known, `patient` and `split` (train, val or test);
* one folder per class;
* `train/`, `val/` and `test/`, each with one folder per class.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path, PurePosixPath

from tljax.core.errors import UserError
from tljax.datasets.archive import PACKED_SUFFIXES
from tljax.datasets.dataset import Card, Example
from tljax.datasets.decoding import is_image
from tljax.datasets.listing import list_files
from tljax.datasets.naming import MISSING, comparable, first_clash, how_they_differ, several_in_one
from tljax.datasets.tasks._folder_layout import Classes, from_folders
from tljax.datasets.tasks._folder_table import SPLITS, TABLE, find_table, from_table
from tljax.datasets.tasks._masks import refuse_masks

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
    source="a folder that holds one folder per class (also within train, val and test), or a labels.csv "
    "(file,label[,patient][,split])",
    version=2,
)

UNREAD_SUFFIXES = frozenset(
    {".avif", ".czi", ".exr", ".gif", ".heic", ".heif", ".hdr", ".ico", ".j2c", ".j2k", ".jls", ".jp2", ".jpf", ".jxl"}
    | {".lif", ".mgh", ".mgz", ".mha", ".mhd", ".mrxs", ".nd2", ".ndpi", ".nii", ".npy", ".npz", ".nrrd", ".pbm"}
    | {".pgm", ".pnm", ".ppm", ".psd", ".scn", ".svs", ".tga", ".vsi"}
)


def examples(archive: Path, classes: Classes | None = None) -> Iterator[Example]:
    """Yields the images of a folder. classes: which folders are the classes, without a table; see `from_folders`."""
    files = list_files(archive)
    images = [path for path in files if is_image(path)]
    others = sorted(set(files) - set(images))
    if not images:
        raise UserError(_describe_nothing(archive, others))
    if table := find_table(archive, files):
        found = list(from_table(archive, table, files))
    else:
        refuse_masks(archive, images, TABLE)
        _report(archive, others)
        found = list(from_folders(archive, images, classes))
    _check_names({example.label for example in found}, archive)
    if split := {example.split for example in found if example.split}:
        _check_splits(split, archive)
    elif found and found[0].patient is None:
        _warn_of_patients(any(len(PurePosixPath(example.file).parts) > 2 for example in found))
    yield from found


def _kinds(paths: Iterable[Path]) -> str:
    """Returns, as text, how many files there are of each suffix."""
    counts = Counter(path.suffix.lower() or "without a suffix" for path in paths)
    return ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())


def _describe_nothing(archive: Path, others: Sequence[Path]) -> str:
    message = f"{archive} holds no image of a kind that is read (PNG, JPEG, TIFF, BMP, WebP, DICOM)"
    if not others:
        return f"{message}; it is empty"
    if any(path.name.lower().endswith(PACKED_SUFFIXES) for path in others):
        return f"{message}, but packed files ({_kinds(others)}): unpack them yourself and give the folder"
    return f"{message}, but {_kinds(others)}; save the images or slices as PNG or DICOM"


def _report(archive: Path, others: Sequence[Path]) -> None:
    if others:
        first = others[0].relative_to(archive)
        print(f"{len(others)} files are not images and are left out ({_kinds(others)}), e.g. {first}", file=sys.stderr)
    if unread := [path for path in others if path.suffix.lower() in UNREAD_SUFFIXES]:
        print(f"WARNING: images of these kinds are not read: {_kinds(unread)}; save them as PNG", file=sys.stderr)


def _check_names(labels: Set[str], archive: Path) -> None:
    """Raises `UserError` for names that are the same or mean unknown, and warns of one that looks like several."""
    for label in sorted(labels):
        if comparable(label) in MISSING:
            raise UserError(f"{archive}: the class name {label!r} means unknown; give the class another name")
        if len(label.splitlines()) > 1:
            raise UserError(f"{archive}: the class {label!r} has a line break in its name; give it another name")
    if clash := first_clash(labels):
        shown = clash if all(name.isprintable() for name in clash) else tuple(map(ascii, clash))
        raise UserError(
            f"{archive}: the classes {shown[0]} and {shown[1]} differ in {how_they_differ(*clash)} only; "
            f"give them one name"
        )
    if several := several_in_one(labels):
        print(
            f"WARNING: the class {several} looks like several labels of one image. Every image has one class here, so "
            f"{several} is a class of its own. If you do not want this, keep one label per image",
            file=sys.stderr,
        )


def _check_splits(split: Set[str], archive: Path) -> None:
    if absent := [name for name in SPLITS if name not in split]:
        raise UserError(
            f"{archive} has images for {', '.join(sorted(split))}, but none for {', '.join(absent)}: move some (all of "
            f"a patient) there, or leave out the split, so that folds are made of all images"
        )


def _warn_of_patients(nested: bool) -> None:
    folders = " Folders inside or around the folder of a class are not taken for patients." if nested else ""
    print(
        f"WARNING: it is unknown which images are of the same patient. If some patients have several images, "
        f"information leaks from training into testing, and every score is too good. Name the patients in a {TABLE} "
        f"(file,label,patient).{folders}",
        file=sys.stderr,
    )
