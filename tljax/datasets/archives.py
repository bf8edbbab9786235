"""Finds and downloads the public archives of data sets, for `tljax datasets get NAME`."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from tljax.core.cache import cache_home
from tljax.core.downloads import Remote, check_hash, fetch, remember_hash
from tljax.core.errors import UserError
from tljax.core.files import write_text
from tljax.core.locks import in_turn

HASHES = "downloads.json"  # the hash of each first download
WHOLE = "complete"  # an empty file in the folder of an archive, once all its files are there


@dataclass(frozen=True)
class Archive:
    """An archive as its publisher offers it: rows of `archives.csv` that share a name."""

    name: str
    task: str  # the data set of tljax that reads it
    files: tuple[tuple[str, str], ...]  # address, and hash as the publisher states it or ""
    licence: str
    source: str  # the page that offers it


@cache
def archives() -> dict[str, Archive]:
    """Returns every archive by name, in the order of the table."""
    text = resources.files("tljax.datasets").joinpath("archives.csv").read_text(encoding="utf-8")
    found: dict[str, Archive] = {}
    for row in csv.DictReader(text.splitlines()):
        name = row["name"]
        files = (*(found[name].files if name in found else ()), (row["url"], row["hash"]))
        found[name] = Archive(name, row["task"], files, row["licence"], row["source"])
    return found


def get(name: str, cache_dir: Path | None = None, *, quiet: bool = False) -> Path:
    """Returns the folder of an archive, or its only file; downloads missing files.

    If several processes ask at once, one downloads and the others wait. Raises UserError for an unknown name, and if a
    file cannot be downloaded or has another hash than its publisher states.
    """
    if name not in archives():
        raise UserError(f"there is no archive {name!r}; known are {', '.join(archives())}")
    archive, root = archives()[name], _home(cache_dir)
    folder = root / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with in_turn(root / f".{name}.lock"):
            for url, stated in () if (folder / WHOLE).exists() else archive.files:
                _get_file(archive, url, stated, folder, quiet)
            write_text(folder / WHOLE, "")
    except OSError as error:
        raise UserError(f"could not write {folder} ({error.strerror}); --cache-dir names another place") from error
    return _place(archive, folder)


def downloaded(task: str, cache_dir: str | Path | None = None) -> Path | None:
    """Returns the downloaded archive of a data set; None if there is none. Raises UserError if there are several."""
    here = [
        archive
        for archive in archives().values()
        if archive.task == task and (_home(cache_dir) / archive.name / WHOLE).exists()
    ]
    if len(here) > 1:
        names = ", ".join(archive.name for archive in here)
        raise UserError(f"several archives of {task} were downloaded ({names}); say which with --data-dir")
    return _place(here[0], _home(cache_dir) / here[0].name) if here else None


def of_task(task: str) -> list[str]:
    """Returns the names of the archives that a data set is made from."""
    return [archive.name for archive in archives().values() if archive.task == task]


def _home(cache_dir: str | Path | None) -> Path:
    return cache_home(cache_dir) / "archives"


def _place(archive: Archive, folder: Path) -> Path:
    """Returns the value for --data-dir: the only file of an archive, else its folder."""
    return folder / _filename(archive.files[0][0]) if len(archive.files) == 1 else folder


def _filename(url: str) -> str:
    return url.rsplit("/", 1)[-1]


def _get_file(archive: Archive, url: str, stated: str, folder: Path, quiet: bool) -> None:
    filename = _filename(url)
    by_hand = f"put it into {folder} and run the same command again"
    remote = Remote(f"{archive.name}/{filename}", (url,), filename, stated, by_hand)
    path = folder / filename
    if not path.exists():
        path = fetch(remote, folder, quiet)
    record = folder.parent / HASHES
    remember_hash(remote, check_hash(remote, path, record), record)
