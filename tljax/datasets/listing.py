"""Lists, checks and finds the files of a folder that a user names."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tljax.core.errors import UserError

SYSTEM = frozenset(
    {"@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "lost+found", "recycler", "thumbs.db"}
    | {"system volume information", "desktop.ini"}
)
"""Names, in lower case, of files that storage systems and Windows leave in the folders of their users."""
MAX_DEPTH = 3  # how far a task's folders may be below the given one


def list_files(folder: Path) -> list[Path]:
    """Returns all files under `folder`, sorted, without hidden files and those of the system. Follows links.

    Raises `UserError` if a file cannot be read, is not a regular file, has a name that is not UTF-8, or is a broken
    link, and if a link makes a folder appear twice.
    """
    found: list[Path] = []
    place_of = {folder.resolve(): folder}
    for directory, names, files in os.walk(folder, onerror=_refuse, followlinks=True):
        names[:] = sorted(name for name in names if not is_hidden(name))
        for path in (Path(directory, name) for name in names):
            if (other := place_of.setdefault(path.resolve(), path)) != path:
                link, folder_itself = (path, other) if path.is_symlink() else (other, path)
                raise UserError(
                    f"{link} is a link to {folder_itself}, which is also in the data: its images would appear twice; "
                    f"remove the link"
                )
        visible = [Path(directory, name) for name in files if not is_hidden(name)]
        for path in visible:
            check_file(path)
        found += visible
    return sorted(found)


def list_folders(folder: Path, depth: int) -> list[Path]:
    """Returns the folders up to `depth` levels below `folder`, sorted, without those of the system."""
    if not depth:
        return []
    below = [path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name)]
    return sorted(path for one in below for path in (one, *list_folders(one, depth - 1)))


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be read ({error.strerror}). Is the archive complete?") from error


def check_file(path: Path) -> None:
    """Raises `UserError` for a name that is not UTF-8, a broken link, a file without permission, and a pipe."""
    try:
        path.name.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"a file in {path.parent} has a name that is not UTF-8: {path.name!a}; rename it") from None
    if path.is_symlink() and not path.exists():
        raise UserError(f"{path} is a link to a file that is not there; correct or remove it")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path} cannot be read: you have no permission; `chmod u+r` gives it to the owner")
    if not path.is_file():
        raise UserError(f"{path} is neither a file nor a folder (a pipe or a device?); move it elsewhere")


def files_in(folder: Path, suffix: str) -> list[Path]:
    """Returns the files in a folder that have this suffix. Raises `UserError` if there are none."""
    found = [path for path in list_files(folder) if path.suffix.lower() == suffix]
    if not found:
        raise UserError(f"{folder} holds no {suffix} file. Is the archive completely unpacked?")
    return found


def find_folder(archive: Path, task: str, *names: str) -> Path:
    """Returns the shallowest folder, at or below `archive`, that holds all `names`, which may be paths.

    Raises `UserError` if there is none.
    """
    best: tuple[int, list[str], Path] = (0, list(names), archive)
    for folder in _folders(archive):
        missing = [name for name in names if not (folder / name).exists()]
        if not missing:
            return folder
        if len(names) - len(missing) > best[0]:
            best = (len(names) - len(missing), missing, folder)
    raise UserError(
        f"{best[2]} is not the complete archive of {task}: there is no {', '.join(best[1])}; "
        f"`tljax datasets` says where to get it"
    )


def _folders(root: Path) -> Iterator[Path]:
    """Yields `root` and the folders below it, the shallow ones first."""
    level = [root]
    for _ in range(MAX_DEPTH + 1):
        yield from level
        entries = (entry for folder in level for entry in os.scandir(folder))
        level = sorted(Path(entry.path) for entry in entries if entry.is_dir() and not is_hidden(entry.name))


def without_copies(paths: Iterable[Path]) -> list[Path]:
    """Returns the shallowest of the files with the same name: some archives hold a folder twice, one in the other.

    Raises `UserError` if two files of the same name differ in size.
    """
    kept: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):
        if kept.setdefault(path.name, path).stat().st_size != path.stat().st_size:
            raise UserError(f"{kept[path.name]} and {path} have the same name but differ; keep the right one")
    return sorted(kept.values())


def is_hidden(name: str) -> bool:
    """Returns whether a file or folder is hidden or the system's: recycle bins, thumbnails of network storage."""
    return name.startswith((".", "__MACOSX")) or name.casefold() in SYSTEM
