"""Downloads files over HTTP: mirrors, progress, hashes, and messages that say what to do after a failure."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from tljax.core.errors import UserError
from tljax.core.files import write_text
from tljax.core.progress import console

HUB = "https://huggingface.co"
TIMEOUT = (10.0, 60.0)  # seconds to connect, and to wait for the next bytes
WEB_PAGE = (b"<!doctype html", b"<html", b"<?xml")


@dataclass(frozen=True)
class Remote:
    """A file that can be downloaded."""

    name: str  # its name in messages
    urls: tuple[str, ...]  # mirrors, in the order in which they are tried
    filename: str  # the name under which it is saved
    hash: str  # "md5:...", "sha256:...", "sha256-starts:..." as the publisher states it, or ""
    by_hand: str  # what to do with a file that the user has downloaded
    terms: str = ""  # what to do if access is refused


class _NotThere(Exception):
    """Raised if a mirror does not give the file; the message is the reason."""


def fetch(remote: Remote, folder: Path, quiet: bool = False) -> Path:
    """Downloads a file into a folder, from the first mirror that has it. The file is complete or absent.

    Files of the Hugging Face hub are downloaded from $HF_ENDPOINT, with $HF_TOKEN. Raises UserError that says what to
    do if no mirror gives the file.
    """
    reasons = []
    for url in map(_at_endpoint, remote.urls):
        try:
            return _retrieve(remote, url, folder, quiet)
        except _NotThere as reason:
            reasons.append(f"{url}: {reason}")
    raise UserError(
        f"could not download {remote.name} ({'; '.join(reasons)}). Download {remote.urls[0]} with a browser or on "
        f"another machine, then {remote.by_hand}"
    )


def check_hash(remote: Remote, path: Path, record: Path) -> str:
    """Compares the hash of a file with the one that its publisher states, and returns its SHA-256.

    If the publisher states none, it is compared with that of the first download, which `remember_hash` saved in the
    file `record`. Raises UserError if they differ.
    """
    found = _digest(path, "sha256")
    kind, _, stated = remote.hash.partition(":")
    fits = _digest(path, "md5") == stated if kind == "md5" else found.startswith(stated)
    if not fits:
        raise UserError(
            f"{path} does not have the hash that its publisher states ({remote.hash}): its sha256 is {found}. Remove "
            "it and download it again"
        )
    first = _hashes(record).get(remote.name, found)
    if first != found and not stated:
        raise UserError(
            f"{path} differs from the first download of {remote.name} (sha256 {first}, now {found}). If the publisher "
            f"has released another file, remove {remote.name} from {record} and download it again"
        )
    return found


def remember_hash(remote: Remote, found: str, record: Path) -> None:
    """Saves the SHA-256 of a download in the file `record`. Call it once the file has proved to be the right one."""
    write_text(record, json.dumps(_hashes(record) | {remote.name: found}, indent=1) + "\n")


def _hashes(record: Path) -> dict[str, str]:
    return json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _retrieve(remote: Remote, url: str, folder: Path, quiet: bool) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    stated = remote.hash if remote.hash.startswith(("md5:", "sha256:")) else None
    with _bar(remote.name, quiet) as bar:
        options: dict[str, Any] = {"progressbar": bar, "headers": _headers(url), "timeout": TIMEOUT}
        downloader: Any = pooch.HTTPDownloader(**options)
        try:
            path = Path(pooch.retrieve(url, stated, fname=remote.filename, path=folder, downloader=downloader))
        except requests.HTTPError as error:
            raise _NotThere(_status(remote, error)) from error
        except requests.Timeout as error:
            raise _NotThere("no answer") from error
        except requests.ConnectionError as error:
            raise _NotThere("no connection") from error
        except (requests.RequestException, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise  # an error of the disk
            raise _NotThere(f"interrupted ({error})") from error
        except ValueError as error:  # raised by pooch if the hash is another one
            raise UserError(
                f"{url} does not have the hash that its publisher states ({remote.hash}): it was changed, or the "
                "download was interrupted. Try again later, or ask its publisher"
            ) from error
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
    if start.startswith(WEB_PAGE):
        path.unlink()
        raise _NotThere(f"returned a web page instead of the file{_terms(remote)}")
    return path


def _status(remote: Remote, error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"refused (HTTP {status}){_terms(remote)}" if status in (401, 403) else f"HTTP {status}"


def _terms(remote: Remote) -> str:
    return f": {remote.terms}" if remote.terms else ""


def _at_endpoint(url: str) -> str:
    """Returns the address with the Hugging Face hub replaced by $HF_ENDPOINT."""
    endpoint = os.environ.get("HF_ENDPOINT")
    return url.replace(HUB, endpoint.rstrip("/"), 1) if endpoint else url


def _headers(url: str) -> dict[str, str]:
    """Returns the request headers: $HF_TOKEN for the hub, and nothing for other addresses."""
    token, hub = os.environ.get("HF_TOKEN"), os.environ.get("HF_ENDPOINT") or HUB
    return {"Authorization": f"Bearer {token}"} if token and url.startswith(hub.rstrip("/") + "/") else {}


class _Bar:
    """A progress bar in bytes with the methods that pooch calls. pooch sets `total` from the server's answer."""

    total = 0

    def __init__(self, bar: Progress | None, title: str):
        self._bar, self._task = bar, bar.add_task(title, total=None) if bar else None

    def update(self, count: int) -> None:
        """Advances by a number of bytes."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, advance=count, total=self.total or None)

    def reset(self) -> None:
        """Starts again from zero."""
        if self._bar and self._task is not None:
            self._bar.reset(self._task)

    def close(self) -> None:
        """Does nothing, as the code that made the bar closes it."""


@contextmanager
def _bar(title: str, quiet: bool) -> Iterator[_Bar]:
    if quiet or not sys.stderr.isatty():
        yield _Bar(None, title)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as bar:
        yield _Bar(bar, f"download {title}")
