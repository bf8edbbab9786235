"""The files of a folder that a user points to: listed, checked, found by name."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tljax.core.errors import UserError

MAX_DEPTH = 3  # of a task's folders below the one that is given


def list_files(folder: Path) -> list[Path]:
    """All files under `folder`, sorted, hidden ones left out.

    Raises `UserError` where one cannot be read, is no file, has no UTF-8 name, is a link to a folder or one that leads
    out of `folder`.
    """
    found, root = [], folder.resolve()
    for directory, names, files in os.walk(folder, onerror=_refuse):
        names[:] = sorted(name for name in names if not is_hidden(name))
        for path in (Path(directory, name) for name in [*names, *files]):
            if path.is_symlink():
                _check_link(path, folder, root)
        visible = [Path(directory, name) for name in files if not name.startswith(".")]
        for path in visible:
            _check_file(path)
        found += visible
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be read ({error.strerror}); is the archive whole?") from error


def _check_link(path: Path, folder: Path, root: Path) -> None:
    if not path.exists():
        raise UserError(f"{path} is a link to a file that is not there; mend or remove it")
    if not path.resolve().is_relative_to(root):
        raise UserError(f"{path} is a link that leads out of {folder}; put the file itself there")
    if path.is_dir():  # os.walk would pass it over; to follow it would count its images twice, or never end
        raise UserError(f"{path} is a link to a folder; put the folder itself there, or remove the link")


def _check_file(path: Path) -> None:
    try:
        path.name.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"a file in {path.parent} has a name that is not UTF-8: {path.name!a}; rename it") from None
    if not os.access(path, os.R_OK):
        raise UserError(f"{path} cannot be read: you have no permission; `chmod u+r` gives it to the owner")
    if not path.is_file():
        raise UserError(f"{path} is neither a file nor a folder (a pipe or a device?); move it elsewhere")


def files_in(folder: Path, suffix: str) -> list[Path]:
    """The files of one suffix in a folder that is full of them in a whole archive."""
    found = [path for path in list_files(folder) if path.suffix.lower() == suffix]
    if not found:
        raise UserError(f"{folder} holds no {suffix} file: half unpacked?")
    return found


def find_folder(archive: Path, task: str, *names: str) -> Path:
    """The folder at or below `archive` that holds all of `names` (paths, too), the shallowest; else a `UserError`."""
    best: tuple[int, list[str], Path] = (0, list(names), archive)
    for folder in _folders(archive):
        missing = [name for name in names if not (folder / name).exists()]
        if not missing:
            return folder
        if len(names) - len(missing) > best[0]:
            best = (len(names) - len(missing), missing, folder)
    raise UserError(
        f"{best[2]} is not the whole archive of {task}: there is no {', '.join(best[1])}; "
        f"`python -m tljax.datasets` says where to get it"
    )


def _folders(root: Path) -> Iterator[Path]:
    """`root` and the folders below it, the shallow ones first."""
    level = [root]
    for _ in range(MAX_DEPTH + 1):
        yield from level
        entries = (entry for folder in level for entry in os.scandir(folder))
        level = sorted(Path(entry.path) for entry in entries if entry.is_dir() and not is_hidden(entry.name))


def without_copies(paths: Iterable[Path]) -> list[Path]:
    """Of files of one name the shallowest: some archives hold their folder twice, one inside the other.

    Raises `UserError` where two of one name differ in size.
    """
    kept: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):
        if kept.setdefault(path.name, path).stat().st_size != path.stat().st_size:
            raise UserError(f"{kept[path.name]} and {path} differ and have one name; keep the one that is meant")
    return sorted(kept.values())


def is_hidden(name: str) -> bool:
    """Folders of the system's own: hidden ones, and the doubles that macOS adds to a zip."""
    return name.startswith((".", "__MACOSX"))
