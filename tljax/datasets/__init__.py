"""Loads data sets. Each file in `tasks/` that holds a `CARD` and `examples(archive)` is one.

A task that needs no archive holds `examples(image_size)` instead.
"""

import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

from tljax.core import plugins
from tljax.core.cache import cache_home
from tljax.core.errors import UserError, counted
from tljax.datasets import archives, cache_folders, store, tasks
from tljax.datasets.dataset import Card, Dataset, Example
from tljax.datasets.duplicate_images import DUPLICATES, DuplicatePair, find_duplicates, kept_pairs
from tljax.datasets.preparation import prepare

MAX_SIZE = 4096  # a side of 10,000 would make a data set of terabytes

__all__ = ["Card", "Dataset", "Example", "card", "duplicates", "load", "names", "original_sizes", "prepared"]


def names() -> list[str]:
    """Returns the name of every task: the name on its card, which is its file's name with hyphens."""
    return sorted(_tasks())


def card(name: str) -> Card:
    """Returns the card of a task. Raises `UserError` for an unknown name."""
    return _task(name).CARD


def load(
    name: str,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    *,
    cache_dir: str | Path | None = None,
    skip_bad: bool = False,
    progress: bool = True,
) -> Dataset:
    """Returns the task as one memory-mapped array, prepared on the first call and found in the cache afterwards.

    `data_dir` is the task's archive or its unpacked folder; it may be left out once the task is prepared, or its
    archive downloaded by `tljax datasets get`. `image_size` is the side in pixels, by default the paper's. Unreadable
    images raise an error that names them; with `skip_bad` they are left out and recorded in `skipped`.
    """
    task = _task(name)
    size = task.CARD.image_size if image_size is None else image_size
    if not 1 <= size <= MAX_SIZE:
        raise UserError(f"an image size of {size} pixels is not possible; give a number from 1 to {MAX_SIZE}")
    if data_dir is None and task.CARD.needs_archive and not cache_folders.prepared(task.CARD, cache_dir):
        data_dir = archives.downloaded(name, cache_dir)
    try:
        folder = cache_folders.folder_of(task.CARD, data_dir, cache_dir)
        target = folder / f"{size}px"
        if not target.is_dir():
            with store.locked(folder):
                if not target.is_dir():
                    prepare(task, data_dir, folder, target, size, progress)
    except OSError as error:  # a full disk, no permission
        raise UserError(
            f"{name} cannot be prepared ({' '.join(str(error).split())}); fix this and try again (the cache is "
            f"{cache_home(cache_dir)}; --cache-dir names another)"
        ) from error
    return _open(task.CARD, target, skip_bad)


def prepared(name: str, cache_dir: str | Path | None = None) -> list[Path]:
    """Returns the cache folders of this task, prepared in any image size."""
    return cache_folders.prepared(_task(name).CARD, cache_dir)


def original_sizes(dataset: Dataset) -> Counter[tuple[int, int]]:
    """Counts the images of each (width, height) before they were resized; empty for a generated set."""
    folder = _store_of(dataset).parent / "tfds"
    if not folder.is_dir():
        return Counter()
    from tljax.datasets import builder  # heavy

    return builder.Reader(folder).sizes()


def duplicates(dataset: Dataset, *, progress: bool = False) -> list[DuplicatePair]:
    """Returns all pairs of duplicate images.

    They are found in the original images, so they are the same at every image size. The cache keeps them.
    """
    folder = _store_of(dataset)
    return kept_pairs(folder / DUPLICATES, lambda: _find_duplicates(folder, progress))


def _store_of(dataset: Dataset) -> Path:
    """Returns the folder whose pixels a loaded data set maps."""
    if not isinstance(dataset.images, np.memmap) or dataset.images.filename is None:
        raise ValueError("only a data set that tljax.datasets.load returned has originals")
    return Path(dataset.images.filename).parent


def _find_duplicates(folder: Path, progress: bool) -> list[DuplicatePair]:
    signatures = store.open_signatures(folder)
    return find_duplicates(signatures["thumbnail"], signatures["digest"], progress=progress)


@cache
def _tasks() -> dict[str, ModuleType]:
    found = plugins.find(tasks.__name__, tasks.__path__)
    return {module.CARD.name: module for module in found.values() if hasattr(module, "CARD")}


def _task(name: str) -> ModuleType:
    if name not in _tasks():
        raise UserError(f"there is no data set {name!r}; known are {', '.join(names())}")
    return _tasks()[name]


def _open(card: Card, folder: Path, skip_bad: bool) -> Dataset:
    found = store.open_store(folder)
    if found.skipped:
        listing = store.describe_bad(found.skipped)
        if not skip_bad:
            raise UserError(
                f"{counted(len(found.skipped), 'image')} of {card.name} cannot be used:\n{listing}\n"
                f"fix or remove them, or leave them out with --skip-bad"
            )
        print(f"{card.name}: {counted(len(found.skipped), 'image')} left out:\n{listing}", file=sys.stderr)
    labels = {row.label for row in found.rows}
    if absent := [name for name in found.classes if name not in labels]:
        raise UserError(f"{card.name}: no readable image of the class {', '.join(absent)} is left")
    patients = tuple(row.patient for row in found.rows if row.patient is not None)
    splits = tuple(row.split for row in found.rows if row.split is not None)
    return Dataset(
        card=replace(card, classes=found.classes),
        images=found.images,
        labels=store.encode_labels([row.label for row in found.rows], found.classes),
        files=tuple(row.file for row in found.rows),
        patients=patients if len(patients) == len(found.rows) else None,
        splits=splits if len(splits) == len(found.rows) else None,
        fingerprint=found.fingerprint,
        skipped=tuple(found.skipped),
    )
