"""Reads images whose classes are folders: one folder per class, or `train`, `val` and `test` with such folders."""

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from tljax.core.errors import SHOWN, UserError, first_few
from tljax.datasets.dataset import Example
from tljax.datasets.listing import list_folders
from tljax.datasets.naming import comparable
from tljax.datasets.tasks._folder_table import SPLIT_OF, TABLE

Classes = Literal["outer", "inner"]


def from_folders(archive: Path, paths: Sequence[Path], classes: Classes | None) -> Iterator[Example]:
    """Yields the images. If `train` is among the folders, they are the parts of a split.

    classes: which folders are the classes, the outer ones or those inside them; None: the outer ones, unless the same
    inner folders recur in several of them, which raises `UserError`.
    """
    names = {path.relative_to(archive).parts[0] for path in paths}
    split_of = {name: SPLIT_OF[name.lower()] for name in names if name.lower() in SPLIT_OF}
    has_splits = "train" in split_of.values()
    if has_splits and (others := sorted(names - split_of.keys())):
        raise UserError(
            f"{archive / others[0]} is next to {', '.join(sorted(split_of))}, so it is unclear whether it is a class "
            f"or a part of a split; move it elsewhere, or rename it to train, val or test"
        )
    place = has_splits + (classes == "inner")
    if classes is None:
        _refuse_recurring(archive, [path.relative_to(archive).parts[has_splits:] for path in paths])
    _warn_of_empty(archive, paths, place + 1)
    for path in paths:
        parts = path.relative_to(archive).parts
        if len(parts) < 2 + place:
            inside = " inside another folder" if classes == "inner" else ""
            where = " in train, val or test" if has_splits else f", and there is no {TABLE} that names its class"
            raise UserError(f"{path} is not in the folder of a class{inside}{where}")
        yield Example("/".join(parts), parts[place], path, split=split_of[parts[0]] if has_splits else None)


def _refuse_recurring(archive: Path, parts: Sequence[tuple[str, ...]]) -> None:
    """Raises `UserError` for folders, such as hospitals or patients, that each hold the folders of the classes.

    A folder that directly holds images is a class.
    """
    inner: dict[str, set[str]] = defaultdict(set)
    for outer, *rest in (names[:-1] for names in parts if len(names) > 1):
        inner[outer].add(rest[0] if rest else "")
    holders: dict[str, list[str]] = defaultdict(list)
    for outer, names in inner.items():
        for name in {comparable(name) for name in names} if "" not in names else ():
            holders[name].append(outer)
    recurring = sorted(name for name, outer in holders.items() if len(outer) > 1)
    if not recurring:
        return
    one, other = sorted(holders[recurring[0]])[:2]
    if set(recurring) <= SPLIT_OF.keys():
        raise UserError(
            f"{archive}: {one} and {other} hold the parts of a split ({', '.join(recurring)}). Make the parts the "
            f"outer folders, such as {recurring[-1]}/{one}, or name them in the column split of a {TABLE}"
        )
    raise UserError(
        f"{archive}: {one} and {other} hold folders of the same names ({', '.join(recurring[:SHOWN])}). If these are "
        f"the classes, use --dataset folder-inner; if {one} and {other} are the classes, use --dataset folder-outer. "
        f"You can also write a {TABLE} (file,label,patient), which can name the patients"
    )


def _warn_of_empty(archive: Path, paths: Sequence[Path], depth: int) -> None:
    """Warns of folders that would be classes but hold no image."""
    full = {path.relative_to(archive).parts[:level] for path in paths for level in range(depth + 1)}
    folders = [folder.relative_to(archive) for folder in list_folders(archive, depth)]
    if empty := [folder.as_posix() for folder in folders if folder.parts not in full]:
        shown = first_few(empty)
        print(f"WARNING: {len(empty)} folders hold no image and are not classes: {shown}", file=sys.stderr)
