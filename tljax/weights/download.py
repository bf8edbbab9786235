"""Downloads a known checkpoint, checks it and converts it into a weights folder."""

import dataclasses
from pathlib import Path
from urllib.parse import urlsplit

from tljax.core.cache import weights_home
from tljax.core.downloads import Remote, check_hash, fetch, remember_hash
from tljax.core.errors import UserError
from tljax.core.locks import in_turn
from tljax.weights.catalogue import Checkpoint, checkpoint
from tljax.weights.convert import convert
from tljax.weights.folder import is_whole, save, writing

HASHES = "downloads.json"  # file in the folder of weights: the hash of each checkpoint's first download


def get(
    name: str, weights_dir: Path | None = None, *, source: Path | None = None, keep: bool = False, quiet: bool = False
) -> Path:
    """Returns the weights folder of a known checkpoint, which is downloaded and converted if it does not exist yet.

    source: the file, if the user has downloaded it. keep: whether to keep the downloaded file next to the folder. If
    several processes call this at once, one downloads and the others wait. Raises UserError that says what to do.
    """
    known, root = checkpoint(name), weights_home(weights_dir)
    folder = root / name
    if not known.supported:
        raise UserError(f"{name} is a {known.backbone}, which tljax cannot convert yet")
    if source and not source.is_file():
        raise UserError(f"--from {source}: there is no such file")
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        with in_turn(root / f".{name}.lock"):
            if not is_whole(folder):
                _refuse_other_folder(folder)
                path = source or _fetch(known, root, quiet)
                try:
                    found = check_hash(_remote(known), path, root / HASHES)
                    _convert(known, path, folder)
                    remember_hash(_remote(known), found, root / HASHES)
                finally:
                    if source is None and not keep:
                        path.unlink(missing_ok=True)
    return folder


def _refuse_other_folder(folder: Path) -> None:
    """Raises UserError, before anything is downloaded, if the place of the weights folder holds something else."""
    if folder.exists():
        raise UserError(
            f"{folder} exists but is not a complete weights folder; remove it and run the same command again"
        )


def _convert(known: Checkpoint, path: Path, folder: Path) -> None:
    conversion = convert(path, normalisation=known.normalisation or None)
    card = conversion.card
    if known.architecture and card.backbone != known.architecture:
        raise UserError(
            f"{path} holds a {card.backbone}, but {known.name} is a {known.architecture}; is it the wrong file?"
        )
    licence = known.licence + (" (not confirmed)" if "licence" in known.unconfirmed else "")
    card = dataclasses.replace(
        card, name=known.name, licence=licence, source=known.urls[0] if known.urls else path.name
    )
    save(folder, conversion.tensors, card)


def _remote(known: Checkpoint) -> Remote:
    url = known.urls[0] if known.urls else ""
    terms = ""
    if known.gate == "huggingface":
        page = "/".join(url.split("/")[:5])
        terms = f"accept its terms at {page}, and set HF_TOKEN to a token of that account"
    return Remote(
        known.name,
        known.urls,
        f"{known.name}{Path(urlsplit(url).path).suffix}",
        known.hash,
        f"run: tljax weights get {known.name} --from FILE",
        terms,
    )


def _fetch(known: Checkpoint, root: Path, quiet: bool) -> Path:
    """Returns the downloaded file. Raises UserError if no program can download it."""
    remote = _remote(known)
    if not known.urls:
        raise UserError(
            f"tljax cannot download {known.name}. Ask for the file with {known.where}, then {remote.by_hand}"
        )
    return fetch(remote, root, quiet)
