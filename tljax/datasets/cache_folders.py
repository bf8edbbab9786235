"""Names the cache folder of a prepared task by its archive and by the rules that prepared it.

A folder is called `<archive>-v<FORMAT>.<version>`. `FORMAT` is the version of decoding and of the store, for all tasks.
`version` is the version of one task, from its card. Raise one of them if pixels change:
`tests/datasets/test_task_pixels.py` fails until then.
"""

from pathlib import Path

from tljax.core.cache import cache_home
from tljax.core.errors import UserError
from tljax.datasets import archives, store
from tljax.datasets.archive import listing_hash
from tljax.datasets.dataset import Card

LEGACY = {  # 0.1.0 used a hash of the source text instead of a version; its pixels are those of v1.1
    "breast": "59b7c838b023",
    "chest": "5eef2f02263a",
    "isic": "ecc9b8afbc97",
    "kimia": "5dfd65409e3d",
    "knee": "6327c5f0f2d6",
    "mammograms": "8da30a3cf942",
    "medmnist": "6635312cb447",
    "pcam-middle": "1522a733fdeb",
    "pcam-small": "4d25fbfa4fcb",
    "phantom": "249902b8ebe1",
    "phantom-source": "43a22e523e2a",
    "rad_thyroid": "cd1593f2ebec",
    "thyroid": "54e1ea78c9a2",
}
LEGACY_VERSION = "v1.1"


def version_of(card: Card) -> str:
    """Returns the version of the rules by which a task's images are prepared."""
    return f"v{store.FORMAT}.{card.version}"


def prepared(card: Card, cache_dir: str | Path | None = None) -> list[Path]:
    """Returns the folders of a task that the current rules prepared, in any image size: one for each archive."""
    root, found = cache_home(cache_dir) / card.name, {}
    for version in reversed(_versions(card)):  # the current name is preferred to the old one
        for folder in root.glob(f"*{version}"):
            if (folder / "tfds").is_dir() or any(folder.glob("*px")):
                found[folder.name.removesuffix(version)] = folder
    return sorted(found.values())


def folder_of(card: Card, data_dir: str | Path | None, cache_dir: str | Path | None) -> Path:
    """Returns the folder of a task and its archive, or of the only archive that is already prepared.

    Raises `UserError` if there is no such archive, or if none or several are prepared.
    """
    root = cache_home(cache_dir) / card.name
    ready = prepared(card, cache_dir)
    if not card.needs_archive:
        return ready[0] if ready else root / version_of(card)
    if data_dir is not None:
        if not Path(data_dir).exists():
            raise UserError(f"--data-dir {data_dir}: there is no such file or folder; {source_hint(card)}")
        archive = listing_hash(Path(data_dir))
        return next(
            (folder for folder in ready if folder.name.startswith(f"{archive}-")),
            root / f"{archive}-{version_of(card)}",
        )
    match ready:
        case [folder]:
            return folder
        case []:
            raise UserError(f"{card.name} is not prepared yet: give its archive with --data-dir; {source_hint(card)}")
        case several:
            raise UserError(
                f"{card.name} is prepared from {len(several)} archives in {root}; say which with --data-dir"
            )


def source_hint(card: Card) -> str:
    """Returns where to get the archive of a task, or what the user's own images are like, for messages."""
    if not card.source.startswith("http"):
        return f"give {card.source}"
    names = archives.of_task(card.name)
    if not names:
        return f"get it from {card.source}"
    others = f" (or {', '.join(names[1:])})" if names[1:] else ""
    return f"get it by `tljax datasets get {names[0]}`{others}, or from {card.source}"


def _versions(card: Card) -> list[str]:
    """Returns the current version and, if its pixels are those of 0.1.0, its name there."""
    present = version_of(card)
    return [present, LEGACY[card.name]] if present == LEGACY_VERSION and card.name in LEGACY else [present]
