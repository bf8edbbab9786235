"""Reads fold lists that were written elsewhere, and finds the image of each path exactly or not at all."""

import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Int64

from tljax.core.errors import UserError, counted, first_few
from tljax.datasets import Dataset
from tljax.datasets.dataset import PARTS
from tljax.datasets.decoding import DICOM_SUFFIXES, IMAGE_SUFFIXES
from tljax.datasets.naming import comparable
from tljax.datasets.tables import read_table

FINDING = re.compile(r"#\d+$")  # several findings in one image are separate rows, distinguished by #2, #3


class Names:
    """Finds images by paths that were written on another machine.

    The file's name must be the same, except for an image's suffix (`.png` for `.dcm`). Folders that both names state
    must be the same.
    """

    def __init__(self, files: Sequence[str]):
        self._rows: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for row, file in enumerate(files):
            for name in {file, FINDING.sub("", file)}:
                self._rows[_parts(name)].append(row)
        self._of_stem: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for parts in self._rows:
            self._of_stem[_stem(parts[-1])].append(parts)

    def find(self, path: str) -> list[list[int]]:
        """Returns the rows of each file to which `path` may refer, best matches only. Rows of one file are findings."""
        wanted = _parts(path)
        files = [parts for parts in self._of_stem.get(_stem(wanted[-1]), []) if _agree(parts[:-1], wanted[:-1])]
        ranks = [(parts[-1] == wanted[-1], min(len(parts), len(wanted)), parts == wanted) for parts in files]
        best = max(ranks, default=None)
        return [self._rows[parts] for parts, rank in zip(files, ranks, strict=True) if rank == best]

    def elsewhere(self, path: str) -> list[tuple[str, ...]]:
        """Returns files of that name in other folders."""
        return self._of_stem.get(_stem(_parts(path)[-1]), [])


def _parts(name: str) -> tuple[str, ...]:
    """Returns folders and file, without the path to the images' root; accented letters become one character."""
    path = PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/")))
    return tuple(part for part in path.parts if part not in ("/", "..")) or ("",)


def _stem(base: str) -> str:
    """Returns the name without an image's suffix; `.100` of a DICOM name such as `1.2.840.113619.2.100` is none."""
    stem, dot, suffix = base.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in IMAGE_SUFFIXES | DICOM_SUFFIXES else base


def _agree(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Returns whether the inner folders are the same, as far as both are known."""
    return all(one == other for one, other in zip(reversed(some), reversed(others), strict=False))


def read_parts(folder: Path, dataset: Dataset, number: int) -> dict[str, Int64[np.ndarray, " m"]]:
    """Returns the sorted rows of the three parts of fold `number`, from `folder/{train,val,test}_fold<number>.csv`.

    Raises `UserError` for a listed image that the data lack, or that may be one of several. Warns, by name, of images
    in no list, of images listed twice, and of classes that differ from the data's own.
    """
    place = f"{folder}, fold {number}"
    names = Names([*dataset.files, *dataset.skipped])
    listed: dict[int, str] = {}
    missing, relabelled, repeated = [], [], []
    for part in PARTS:
        for path, label in _read_list(folder / f"{part}_fold{number}.csv"):
            files = names.find(path)
            if len(files) > 1:
                meant = first_few(_named(files, dataset))
                raise UserError(f"{place}: {path} may be any of {meant}; write it with its folder and suffix")
            if not files:
                missing.append(path)
                continue
            rows = [row for row in files[0] if row < len(dataset)]
            if not rows:  # --skip-bad left out this unreadable image
                continue
            row = max(rows, key=lambda row: (row not in listed, _is_class(dataset, row, label)))
            if listed.get(row, part) != part:
                raise UserError(f"{place}: {path} is in {listed[row]} and in {part}")
            if row in listed:
                repeated.append(path)
            listed[row] = part
            if label and not _is_class(dataset, row, label):
                relabelled.append(path)
    if missing:
        raise UserError(_describe_missing(place, missing, names))
    unlisted = [dataset.files[row] for row in range(len(dataset)) if row not in listed]
    _warn(unlisted, f"{place}: {counted(len(unlisted), 'image')} in no list, and therefore left out")
    _warn(repeated, f"{place}: {counted(len(repeated), 'line')} with an image of an earlier line, ignored")
    _warn(relabelled, f"{place}: {counted(len(relabelled), 'image')} with another class in the data, which is used")
    return {part: np.array(sorted(row for row in listed if listed[row] == part), np.int64) for part in PARTS}


def _read_list(path: Path) -> list[tuple[str, str | None]]:
    """Returns the paths of a fold list and their classes, None if the list has no such column."""
    if not path.is_file():
        raise UserError(f"{path} is missing; a fold needs its train, val and test list")
    return [(row["path"], row.get("class")) for _, row in read_table(path, ("path",), {"class": "class"})]


def _is_class(dataset: Dataset, row: int, label: str | None) -> bool:
    return label is not None and comparable(dataset.card.classes[dataset.labels[row]]) == comparable(label)


def _named(files: Sequence[list[int]], dataset: Dataset) -> list[str]:
    names = [*dataset.files, *dataset.skipped]
    return [names[rows[0]] for rows in files]


def _describe_missing(place: str, missing: Sequence[str], names: Names) -> str:
    message = f"{place}: {len(missing)} listed images are not in the data, as {first_few(missing)}; "
    for path in missing:
        if others := names.elsewhere(path):
            return f"{message}an image of that name is in another folder: {'/'.join(others[0])} is not {path}"
    return f"{message}the archive is incomplete, or is not the one that the lists were made for"


def _warn(names: Sequence[str], message: str) -> None:
    if names:
        warnings.warn(f"{message}: {first_few(names)}", stacklevel=4)
