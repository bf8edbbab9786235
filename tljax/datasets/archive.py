"""The archive a user points to: a folder, or packed files that are unpacked without trusting them."""

import gzip
import hashlib
import lzma
import os
import shutil
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from tljax.core.errors import UserError
from tljax.datasets.decode import is_image

MAX_RATIO = 200  # a zip of images hardly shrinks; one that grows 200-fold is a bomb
MIN_BOMB_BYTES = 1 << 30  # below this a large ratio harms nobody
ZIP_SUFFIXES = (".zip", ".npz")
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
PACKED_SUFFIXES = (*ZIP_SUFFIXES, *TAR_SUFFIXES, ".gz")
VOLUME_SUFFIXES = frozenset({".npy", ".h5"})
WINDOWS = 0  # in the zip's own numbering of systems
MAX_DEPTH = 3  # of a task's folders below the one that is given
GZIP_BLOCK = 16 << 20


def list_files(folder: Path) -> list[Path]:
    """All files under `folder`, sorted, hidden ones left out.

    Raises `UserError` where one cannot be read, is no file, has no UTF-8 name, is a link to a folder or one that leads
    out of `folder`.
    """
    found, root = [], folder.resolve()
    for directory, names, files in os.walk(folder, onerror=_refuse):
        names[:] = sorted(name for name in names if not _is_hidden(name))
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


def listing_hash(data_dir: Path) -> str:
    """What the archive is known by: names, sizes and times of its files, not where it lies."""
    paths = list_files(data_dir) if data_dir.is_dir() else [data_dir]
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        digest.update(f"{path.relative_to(data_dir)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def open_archive(data_dir: Path, scratch: Path, *, progress: bool = False) -> Path:
    """The folder of the archive: `data_dir` itself, or what it unpacks to in `scratch` (whole or not at all).

    A folder that holds downloads as they came, packed files and at most tables beside them, is unpacked, too, and so
    are gzipped files in a packed one.
    """
    packed = _packed_files(data_dir)
    if not packed:
        return data_dir
    if not scratch.is_dir():
        partial = scratch.with_name(scratch.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if data_dir.is_dir():
            for path in list_files(data_dir):
                place = partial / path.relative_to(data_dir).parent
                place.mkdir(parents=True, exist_ok=True)
                if path not in packed:
                    shutil.copy2(path, place)
                else:
                    _unpack(path, place if _is_gzip(path) else place / path.name.split(".")[0], progress)
        else:
            _unpack(data_dir, partial, progress)
        for path in filter(_is_gzip, list_files(partial)):
            if not path.with_suffix("").exists():
                _unpack(path, path.parent, progress=False)
            path.unlink()
        partial.rename(scratch)
    return _unwrapped(scratch)


def _packed_files(data_dir: Path) -> list[Path]:
    """What has to be unpacked: the file itself, or those of a folder in which no data lie unpacked."""
    if not data_dir.is_dir():
        if not data_dir.name.lower().endswith(PACKED_SUFFIXES):
            raise UserError(
                f"{data_dir} is neither a folder nor one of {', '.join(PACKED_SUFFIXES)}; give the unpacked folder"
            )
        return [data_dir]
    files = list_files(data_dir)
    packed = [path for path in files if path.name.lower().endswith(PACKED_SUFFIXES)]
    if packed and any(path.suffix.lower() in VOLUME_SUFFIXES or is_image(path) for path in files):
        print(f"{packed[0]} stays packed, as there are unpacked data in {data_dir}", file=sys.stderr)
        return []
    return packed


def _unwrapped(folder: Path) -> Path:
    """The folder itself or, where all it holds is one folder, that one."""
    while len(below := [path for path in folder.iterdir() if not _is_hidden(path.name)]) == 1 and below[0].is_dir():
        folder = below[0]
    return folder


def _is_hidden(name: str) -> bool:
    """Folders of the system's own: hidden ones, and the doubles that macOS adds to a zip."""
    return name.startswith((".", "__MACOSX"))


def _is_gzip(path: Path) -> bool:
    """One compressed file, as against a compressed tar archive."""
    name = path.name.lower()
    return name.endswith(".gz") and not name.endswith(TAR_SUFFIXES)


def _unpack(path: Path, target: Path, progress: bool) -> None:
    """Unpacks a file into the folder `target`, which may be there."""
    if progress:
        print(f"unpacking {path}", file=sys.stderr)
    target.mkdir(parents=True, exist_ok=True)
    try:
        if _is_gzip(path):
            _unpack_gzip(path, target)
        elif path.name.lower().endswith(ZIP_SUFFIXES):
            with zipfile.ZipFile(path) as archive:
                _unpack_zip(archive, target, path)
        else:
            with tarfile.open(path) as archive:
                _unpack_tar(archive, target, path)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        RuntimeError,  # encrypted, or compressed by a method that zipfile does not know
    ) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} cannot be unpacked ({reason}); fetch it again, or unpack it yourself and give the folder"
        ) from error


def _unpack_gzip(path: Path, target: Path) -> None:
    limit = max(MIN_BOMB_BYTES, MAX_RATIO * path.stat().st_size)
    with gzip.open(path) as source, open(target / path.stem, "wb") as file:
        while block := source.read(GZIP_BLOCK):
            file.write(block)
            if file.tell() > limit:
                raise UserError(f"{path} grows beyond {limit:,} bytes: a bomb; refused")


def _unpack_zip(archive: zipfile.ZipFile, target: Path, source: Path) -> None:
    members = archive.infolist()
    if any(stat.S_ISLNK(member.external_attr >> 16) for member in members):
        raise UserError(f"{source} holds symbolic links; unpack it yourself, look at it and give the folder")
    for member in members:
        if member.create_system == WINDOWS:  # where some programs part folders by a backslash
            member.filename = member.filename.replace("\\", "/")
    _check(((member.filename, member.file_size) for member in members), source, target)
    archive.extractall(target, members)


def _unpack_tar(archive: tarfile.TarFile, target: Path, source: Path) -> None:
    members = archive.getmembers()
    strange = next((member for member in members if not (member.isfile() or member.isdir())), None)
    if strange:
        raise UserError(f"{source} holds {strange.name}, neither file nor folder; unpack it yourself and look at it")
    _check(((member.name, member.size) for member in members), source, target)
    archive.extractall(target, filter="data")


def _check(members: Iterable[tuple[str, int]], source: Path, target: Path) -> None:
    """Refuses names that lead out of the archive, and archives that grow out of proportion or beyond the disk."""
    total = 0
    for name, size in members:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise UserError(f"{source} holds {name!r}, which would be written outside its folder; do not trust it")
        total += size
    if total > MIN_BOMB_BYTES and total > MAX_RATIO * source.stat().st_size:
        raise UserError(f"{source} would grow from {source.stat().st_size:,} to {total:,} bytes: a zip bomb; refused")
    free = shutil.disk_usage(target).free
    if total > free:
        raise UserError(
            f"{source} unpacks to {total:,} bytes and only {free:,} are free in {target}; unpack it elsewhere "
            f"and give the folder"
        )


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
        level = sorted(Path(entry.path) for entry in entries if entry.is_dir() and not _is_hidden(entry.name))


def without_copies(paths: Iterable[Path]) -> list[Path]:
    """Of files of one name the shallowest: some archives hold their folder twice, one inside the other.

    Raises `UserError` where two of one name differ in size.
    """
    kept: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (len(path.parts), path)):
        if kept.setdefault(path.name, path).stat().st_size != path.stat().st_size:
            raise UserError(f"{kept[path.name]} and {path} differ and have one name; keep the one that is meant")
    return sorted(kept.values())
