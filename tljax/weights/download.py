"""Downloads a known checkpoint, checks it, converts it, and leaves a weights folder; or says what to do instead."""

import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from tljax.core.cache import weights_home
from tljax.core.errors import UserError
from tljax.core.files import write_text
from tljax.core.locks import in_turn
from tljax.core.progress import console
from tljax.weights.catalogue import Checkpoint, checkpoint
from tljax.weights.convert import convert
from tljax.weights.folder import is_whole, save, writing

HUB = "https://huggingface.co"
HASHES = "downloads.json"  # in the weights folder: the hash of each first download
TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two pieces
WEB_PAGE = (b"<!doctype html", b"<html", b"<?xml")


def get(
    name: str, weights_dir: Path | None = None, *, source: Path | None = None, keep: bool = False, quiet: bool = False
) -> Path:
    """Returns the weights folder of a known checkpoint, which is downloaded and converted if it is not there.

    source: the file, if it was downloaded by hand. keep: leave the downloaded file next to the folder. Several
    processes may ask at once: one downloads, the others wait. Raises UserError that says what to do instead.
    """
    known, root = checkpoint(name), weights_home(weights_dir)
    folder = root / name
    if not known.supported:
        raise UserError(f"{name} is a {known.backbone}, which tljax cannot convert yet")
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        with in_turn(root / f".{name}.lock"):
            if not is_whole(folder):
                path = source or _download(known, root, quiet)
                try:
                    _check_hash(known, path, root)
                    _convert(known, path, folder)
                finally:
                    if source is None and not keep:
                        path.unlink(missing_ok=True)
    return folder


def _convert(known: Checkpoint, path: Path, folder: Path) -> None:
    conversion = convert(path, normalisation=known.normalisation or None)
    card = conversion.card
    if known.architecture and card.backbone != known.architecture:
        raise UserError(f"{path} holds a {card.backbone}; {known.name} is a {known.architecture}: is it another file?")
    licence = known.licence + (" (not confirmed)" if "licence" in known.unconfirmed else "")
    card = dataclasses.replace(
        card, name=known.name, licence=licence, source=known.urls[0] if known.urls else path.name
    )
    save(folder, conversion.tensors, card)


def _download(known: Checkpoint, root: Path, quiet: bool) -> Path:
    """The downloaded file, from the first mirror that has it."""
    if not known.urls:
        raise UserError(
            f"{known.name} cannot be downloaded by a program. Ask for the file by {known.where}, then run: "
            f"tljax weights get {known.name} --from FILE"
        )
    reasons = []
    for url in map(_at_endpoint, known.urls):
        try:
            return _retrieve(known, url, root, quiet)
        except _NotThere as reason:
            reasons.append(f"{url}: {reason}")
    raise UserError(
        f"could not download {known.name} ({'; '.join(reasons)}). Fetch {known.urls[0]} with another machine or a "
        f"browser, then run: tljax weights get {known.name} --from FILE"
    )


class _NotThere(Exception):
    """A mirror does not give the file; the message is the reason."""


def _retrieve(known: Checkpoint, url: str, root: Path, quiet: bool) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    target = f"{known.name}{Path(urlsplit(url).path).suffix}"
    stated = known.hash if known.hash.startswith(("md5:", "sha256:")) else None
    with _bar(known.name, quiet) as bar:
        options: dict[str, Any] = {"progressbar": bar, "headers": _headers(url), "timeout": TIMEOUT}
        downloader: Any = pooch.HTTPDownloader(**options)
        try:
            path = Path(pooch.retrieve(url, stated, fname=target, path=root, downloader=downloader))
        except requests.HTTPError as error:
            raise _NotThere(_status(known, error)) from error
        except requests.Timeout as error:
            raise _NotThere("no answer") from error
        except requests.ConnectionError as error:
            raise _NotThere("no connection") from error
        except (requests.RequestException, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise  # the disk's
            raise _NotThere(f"broken off ({error})") from error
        except ValueError as error:  # pooch: another hash than the one stated
            raise UserError(
                f"{url} is not the file that its publisher states ({known.hash}): it was changed, or broken off. "
                "Try again later, or tell its publisher"
            ) from error
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
    if start.startswith(WEB_PAGE):
        path.unlink()
        raise _NotThere(f"gives a web page instead of the file{_terms(known)}")
    return path


def _status(known: Checkpoint, error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"refused (HTTP {status}){_terms(known)}"
    return f"HTTP {status}"


def _terms(known: Checkpoint) -> str:
    if known.gate == "huggingface":
        page = "/".join(known.urls[0].split("/")[:5])
        return f": accept its terms at {page}, and set HF_TOKEN to a token of that account"
    return ""


def _at_endpoint(url: str) -> str:
    """The address at $HF_ENDPOINT, where files of the Hugging Face hub are asked for."""
    endpoint = os.environ.get("HF_ENDPOINT")
    return url.replace(HUB, endpoint.rstrip("/"), 1) if endpoint else url


def _headers(url: str) -> dict[str, str]:
    """$HF_TOKEN goes to the hub alone."""
    token, hub = os.environ.get("HF_TOKEN"), os.environ.get("HF_ENDPOINT") or HUB
    return {"Authorization": f"Bearer {token}"} if token and url.startswith(hub.rstrip("/") + "/") else {}


def _check_hash(known: Checkpoint, path: Path, root: Path) -> None:
    """Checks a file against the publisher's hash, or else against that of the first download, which is recorded."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    kind, _, stated = known.hash.partition(":")
    if kind == "md5":
        with path.open("rb") as file:
            fits = hashlib.file_digest(file, "md5").hexdigest() == stated
    else:
        fits = found.startswith(stated)
    if not fits:
        raise UserError(f"{path} is not the file that its publisher states ({known.hash}; its sha256 is {found})")
    record = root / HASHES
    hashes = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    first = hashes.setdefault(known.name, found)
    if first != found and not stated:
        raise UserError(
            f"{path} differs from the {known.name} that was downloaded first (sha256 {first}, now {found}). If its "
            f"publisher released another file, remove {known.name} from {record} and get it again"
        )
    hashes[known.name] = found
    write_text(record, json.dumps(hashes, indent=1) + "\n")


class _Bar:
    """A progress bar in bytes, as pooch drives it: it learns the total from the server."""

    total = 0

    def __init__(self, bar: Progress | None, title: str):
        self._bar, self._task = bar, bar.add_task(title, total=None) if bar else None

    def update(self, count: int) -> None:
        """Advance by a number of bytes."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, advance=count, total=self.total or None)

    def reset(self) -> None:
        """Start again from zero."""
        if self._bar and self._task is not None:
            self._bar.reset(self._task)

    def close(self) -> None:
        """End; the bar itself is closed where it was made."""


@contextmanager
def _bar(title: str, quiet: bool) -> Iterator[_Bar]:
    if quiet or not sys.stderr.isatty():
        yield _Bar(None, title)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as bar:
        yield _Bar(bar, f"download {title}")
