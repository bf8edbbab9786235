"""The archive a user points to: a folder, or a zip or tar file that is unpacked without trusting it."""

import hashlib
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tljax.errors import UserError

MAX_RATIO = 200  # a zip of images hardly shrinks; one that grows 200-fold is a bomb
MIN_BOMB_BYTES = 1 << 30  # below this a large ratio harms nobody
ZIP_SUFFIXES = (".zip", ".npz")
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def list_files(folder: Path) -> list[Path]:
    """All files under `folder`, sorted, hidden ones left out. A link that leads out of the folder is refused."""
    found, root = [], folder.resolve()
    for directory, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith((".", "__MACOSX")))
        for name in [*names, *files]:
            path = Path(directory, name)
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise UserError(f"{path} is a link that leads out of {folder}; put the file itself there")
        for name in files:
            try:
                name.encode("utf-8")
            except UnicodeEncodeError:
                raise UserError(f"a file in {directory} has a name that is not UTF-8: {name!a}; rename it") from None
        found += [Path(directory, name) for name in files if not name.startswith(".")]
    return sorted(found)


def listing_hash(data_dir: Path) -> str:
    """What the archive is known by: names, sizes and times of its files, not where it lies."""
    paths = list_files(data_dir) if data_dir.is_dir() else [data_dir]
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        digest.update(f"{path.relative_to(data_dir)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def open_archive(data_dir: Path, scratch: Path) -> Path:
    """The folder of the archive: `data_dir` itself, or what it unpacks to in `scratch` (whole or not at all)."""
    if data_dir.is_dir():
        return data_dir
    if scratch.is_dir():
        return scratch
    partial = scratch.with_name(scratch.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    name = data_dir.name.lower()
    try:
        if name.endswith(ZIP_SUFFIXES):
            with zipfile.ZipFile(data_dir) as archive:
                _unpack_zip(archive, partial, data_dir)
        elif name.endswith(TAR_SUFFIXES):
            with tarfile.open(data_dir) as archive:
                _unpack_tar(archive, partial, data_dir)
        else:
            suffixes = ", ".join(ZIP_SUFFIXES + TAR_SUFFIXES)
            raise UserError(f"{data_dir} is neither a folder nor one of {suffixes}; give the unpacked folder")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, RuntimeError) as error:
        raise UserError(f"{data_dir} cannot be unpacked ({error}); fetch it again") from error
    partial.rename(scratch)
    return scratch


def _unpack_zip(archive: zipfile.ZipFile, target: Path, source: Path) -> None:
    members = archive.infolist()
    if any(stat.S_ISLNK(member.external_attr >> 16) for member in members):
        raise UserError(f"{source} holds symbolic links; unpack it yourself, look at it and give the folder")
    _check(((member.filename, member.file_size) for member in members), source)
    archive.extractall(target)


def _unpack_tar(archive: tarfile.TarFile, target: Path, source: Path) -> None:
    members = archive.getmembers()
    strange = next((member for member in members if not (member.isfile() or member.isdir())), None)
    if strange:
        raise UserError(f"{source} holds {strange.name}, neither file nor folder; unpack it yourself and look at it")
    _check(((member.name, member.size) for member in members), source)
    archive.extractall(target, filter="data")


def _check(members: Iterable[tuple[str, int]], source: Path) -> None:
    """Refuses names that lead out of the archive, and archives that grow out of proportion or beyond the disk."""
    total = 0
    for name, size in members:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise UserError(f"{source} holds {name!r}, which would be written outside its folder; do not trust it")
        total += size
    if total > MIN_BOMB_BYTES and total > MAX_RATIO * source.stat().st_size:
        raise UserError(f"{source} would grow from {source.stat().st_size:,} to {total:,} bytes: a zip bomb; refused")
    free = shutil.disk_usage(source.parent).free
    if total > free:
        raise UserError(f"{source} unpacks to {total:,} bytes and only {free:,} are free; unpack it elsewhere")


def find_folder(archive: Path, task: str, *names: str) -> Path:
    """The folder at or below `archive` that holds all of `names`, the shallowest; else a `UserError`."""
    best: tuple[int, list[str], Path] = (0, list(names), archive)
    for directory, folders, files in os.walk(archive):
        path = Path(directory)
        present = {*folders, *files}
        missing = [name for name in names if name not in present]
        if not missing:
            return path
        if len(names) - len(missing) > best[0]:
            best = (len(names) - len(missing), missing, path)
        if len(path.relative_to(archive).parts) >= 3:
            folders.clear()
    raise UserError(
        f"{best[2]} is not the whole archive of {task}: there is no {', '.join(best[1])}; "
        f"`python -m tljax.datasets` says where to get it"
    )
