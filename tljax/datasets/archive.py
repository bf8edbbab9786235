"""Opens the archive that a user names: a folder, or packed files, which are checked before they are unpacked."""

import contextlib
import gzip
import hashlib
import lzma
import shutil
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tljax.core.errors import UserError
from tljax.datasets.decoding import is_image
from tljax.datasets.listing import is_hidden, list_files

MAX_RATIO = 200  # a zip of images hardly shrinks; one that grows 200-fold is a bomb
MIN_BOMB_BYTES = 1 << 30  # below this size a large ratio is harmless
ZIP_SUFFIXES = (".zip", ".npz")
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
PACKED_SUFFIXES = (*ZIP_SUFFIXES, *TAR_SUFFIXES, ".gz")
DOCUMENT_SUFFIXES = frozenset({".txt", ".md", ".pdf", ".html", ".htm", ".rtf", ".docx", ".url", ".rst"})
DOCUMENTS = ("README", "LICENSE", "LICENCE", "COPYING", "CITATION", "NOTICE", "CHANGELOG")
VOLUME_SUFFIXES = frozenset({".npy", ".h5"})
UTF8_FLAG = 1 << 11  # of a zip's member
WINDOWS = 0  # in the zip's own numbering of systems
GZIP_BLOCK = 16 << 20


def listing_hash(data_dir: Path) -> str:
    """Returns a hash of the names, sizes and times of the archive's files. Its location does not matter."""
    paths = list_files(data_dir) if data_dir.is_dir() else [data_dir]
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        digest.update(f"{path.relative_to(data_dir)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def open_archive(data_dir: Path, scratch: Path, *, progress: bool = False) -> Path:
    """Returns the folder of the archive: `data_dir`, or the folder in `scratch` into which it was completely unpacked.

    The packed files in a folder of downloads are unpacked, too, and so are gzipped files inside packed files.
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
                elif not _is_gzip(path):
                    _unpack(path, place / path.name.split(".")[0], progress)
                elif not (place / path.stem).exists():
                    _unpack(path, place, progress)
        else:
            _unpack(data_dir, partial, progress)
        for path in filter(_is_gzip, list_files(partial)):
            if not path.with_suffix("").exists():
                _unpack(path, path.parent, progress=False)
            path.unlink()
        partial.rename(scratch)
    return _unwrapped(scratch)


def _packed_files(data_dir: Path) -> list[Path]:
    """Returns the files to unpack: the file itself, or the packed files of a folder without unpacked data."""
    if not data_dir.is_dir():
        if not data_dir.name.lower().endswith(PACKED_SUFFIXES):
            raise UserError(
                f"{data_dir} is neither a folder nor one of {', '.join(PACKED_SUFFIXES)}; give the unpacked folder"
            )
        return [data_dir]
    files = list_files(data_dir)
    packed = [path for path in files if path.name.lower().endswith(PACKED_SUFFIXES)]
    if packed and any(path.suffix.lower() in VOLUME_SUFFIXES or is_image(path) for path in files):
        print(f"{packed[0]} is not unpacked, because {data_dir} also holds unpacked data", file=sys.stderr)
        return []
    return packed


def _unwrapped(folder: Path) -> Path:
    """Returns the folder or, if it holds only one folder and documents, that folder."""
    while True:
        below = [path for path in folder.iterdir() if not is_hidden(path.name)]
        others = [path for path in below if path.is_dir() or not _is_document(path)]
        if len(others) != 1 or not others[0].is_dir():
            return folder
        folder = others[0]


def _is_document(path: Path) -> bool:
    return path.suffix.lower() in DOCUMENT_SUFFIXES or (not path.suffix and path.name.upper().startswith(DOCUMENTS))


def _is_gzip(path: Path) -> bool:
    """Returns whether it is one compressed file, not a compressed tar archive."""
    name = path.name.lower()
    return name.endswith(".gz") and not name.endswith(TAR_SUFFIXES)


def _unpack(path: Path, target: Path, progress: bool) -> None:
    """Unpacks a file into the folder `target`, which may exist."""
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
                raise UserError(
                    f"{path} unpacks to more than {limit:,} bytes: it may be a decompression bomb; if you trust it, "
                    f"unpack it yourself"
                )


def _unpack_zip(archive: zipfile.ZipFile, target: Path, source: Path) -> None:
    members = archive.infolist()
    if any(stat.S_ISLNK(member.external_attr >> 16) for member in members):
        raise UserError(f"{source} holds symbolic links; unpack it yourself, look at it and give the folder")
    for member in members:
        if not member.flag_bits & UTF8_FLAG:
            member.filename = _readable(member.filename)
        if member.create_system == WINDOWS:  # some programs separate folders by a backslash
            member.filename = member.filename.replace("\\", "/")
    _check(((member.filename, member.file_size) for member in members), source, target)
    archive.extractall(target, members)


def _readable(name: str) -> str:
    """Decodes a name whose encoding the zip does not state: UTF-8 (macOS), GB2312 (Chinese), or code page 437.

    Chinese names would be lines and boxes in code page 437.
    """
    with contextlib.suppress(UnicodeEncodeError, UnicodeDecodeError):
        return name.encode("cp437").decode("utf-8")
    with contextlib.suppress(UnicodeEncodeError, UnicodeDecodeError):
        chinese = name.encode("cp437").decode("gb2312")
        if all(letter.isascii() or "\u3000" <= letter <= "\u9fff" for letter in chinese):
            return chinese
    return name


def _unpack_tar(archive: tarfile.TarFile, target: Path, source: Path) -> None:
    members = archive.getmembers()
    special = next((member for member in members if not (member.isfile() or member.isdir())), None)
    if special:
        raise UserError(
            f"{source} holds {special.name}, which is neither a file nor a folder; unpack it yourself, look at it and "
            f"give the folder"
        )
    _check(((member.name, member.size) for member in members), source, target)
    archive.extractall(target, filter="data")


def _check(members: Iterable[tuple[str, int]], source: Path, target: Path) -> None:
    """Raises `UserError` for names that lead outside the archive, lost files, bombs, and a full disk."""
    total, seen = 0, set()
    for name, size in members:
        path = PurePosixPath(name.replace("\\", "/"))
        if path in seen and not name.endswith("/"):
            raise UserError(
                f"{source} holds {name!r} twice; unpack it yourself, keep the right one and give the folder"
            )
        seen.add(path)
        if path.is_absolute() or ".." in path.parts:
            raise UserError(f"{source} holds {name!r}, which would be written outside its folder; do not trust it")
        if (target / path).is_file():
            raise UserError(
                f"{source} and another packed file, which is unpacked into the same folder {target.name}, both hold "
                f"{name!r}; unpack each into its own folder, and give the folder above"
            )
        total += size
    if total > MIN_BOMB_BYTES and total > MAX_RATIO * source.stat().st_size:
        raise UserError(
            f"{source} would grow from {source.stat().st_size:,} to {total:,} bytes: it may be a decompression bomb; "
            f"if you trust it, unpack it yourself and give the folder"
        )
    free = shutil.disk_usage(target).free
    if total > free:
        raise UserError(
            f"{source} unpacks to {total:,} bytes and only {free:,} are free in {target}; unpack it elsewhere "
            f"and give the folder"
        )
