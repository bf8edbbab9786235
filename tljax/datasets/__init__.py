"""The data sets. A file in `tasks/` that holds a `CARD` and `examples(archive)` is one.

A task that needs no archive holds `examples(image_size)` instead.
"""

import importlib
import pkgutil
import shutil
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

from PIL import Image

from tljax.core.cache import cache_home
from tljax.core.errors import UserError
from tljax.datasets import cache_folders, store, tasks
from tljax.datasets.archive import open_archive
from tljax.datasets.cache_folders import source_hint
from tljax.datasets.dataset import Card, Dataset, Example
from tljax.datasets.decoding import to_image
from tljax.datasets.duplicate_images import DUPLICATES, DuplicatePair, find_duplicates, kept_pairs

MAX_SIZE = 4096  # a side of 10,000 would make a data set of terabytes

__all__ = ["Card", "Dataset", "Example", "card", "duplicates", "load", "names", "original_sizes", "prepared"]


def names() -> list[str]:
    """Every task. A task is known by the name on its card, which is its file's but for hyphens."""
    return sorted(_tasks())


def card(name: str) -> Card:
    """The card of a task. Raises `UserError` for an unknown name."""
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

    `data_dir` is the task's archive or its unpacked folder; it may be left out once the task is prepared. `image_size`
    is the side in pixels, the paper's by default. Unreadable images are an error that names them, or with `skip_bad`
    left out and recorded in `skipped`.
    """
    task = _task(name)
    size = task.CARD.image_size if image_size is None else image_size
    if not 1 <= size <= MAX_SIZE:
        raise UserError(f"an image size of {size} pixels makes no sense; give a number from 1 to {MAX_SIZE}")
    try:
        folder = cache_folders.folder_of(task.CARD, data_dir, cache_dir)
        target = folder / f"{size}px"
        if not target.is_dir():
            with store.locked(folder):
                if not target.is_dir():
                    _prepare(task, data_dir, folder, target, size, progress)
    except OSError as error:  # a full disk, no permission
        raise UserError(
            f"{name} cannot be prepared ({' '.join(str(error).split())}); fix that and try again (the cache is "
            f"{cache_home(cache_dir)}; --cache-dir names another)"
        ) from error
    return _open(task.CARD, target, skip_bad)


def prepared(name: str, cache_dir: str | Path | None = None) -> list[Path]:
    """Returns the cache folders of this task, prepared in any image size."""
    return cache_folders.prepared(_task(name).CARD, cache_dir)


def original_sizes(dataset: Dataset) -> Counter[tuple[int, int]]:
    """Counts the images of each (width, height) before they were resized; empty for a generated set."""
    folder = Path(dataset.images.filename).parents[1] / "tfds"
    if not folder.is_dir():
        return Counter()
    from tljax.datasets import builder  # heavy

    return builder.Reader(folder).sizes()


def duplicates(dataset: Dataset, *, progress: bool = False) -> list[DuplicatePair]:
    """Returns all pairs of images that show one picture.

    They are found in the originals, so they are the same at every image size. The cache keeps them.
    """
    folder = Path(dataset.images.filename).parent
    return kept_pairs(folder / DUPLICATES, lambda: _find_duplicates(folder, progress))


def _find_duplicates(folder: Path, progress: bool) -> list[DuplicatePair]:
    signatures = store.open_signatures(folder)
    return find_duplicates(signatures["thumbnail"], signatures["digest"], progress=progress)


@cache
def _tasks() -> dict[str, ModuleType]:
    files = [file.name for file in pkgutil.iter_modules(tasks.__path__) if file.name[0] != "_"]
    modules = (importlib.import_module(f"{tasks.__name__}.{file}") for file in files)
    return {module.CARD.name: module for module in modules}


def _task(name: str) -> ModuleType:
    if name not in _tasks():
        raise UserError(f"there is no data set {name!r}; there are {', '.join(names())}")
    return _tasks()[name]


def _prepare(
    task: ModuleType, data_dir: str | Path | None, folder: Path, target: Path, size: int, progress: bool
) -> None:
    source = _archived(task, data_dir, folder, progress) if task.CARD.needs_archive else _Generated(task, size)
    store.build(target, source, size, title=f"{task.CARD.name} at {size} px", progress=progress)


class _Generated:
    """The images of a task that needs no archive, as the store wants them."""

    def __init__(self, task: ModuleType, size: int):
        self._examples = list(task.examples(size))
        self.rows = [store.Row(e.file, e.label, e.patient, e.split) for e in self._examples]
        self.classes: tuple[str, ...] = task.CARD.classes
        self.skipped: dict[str, str] = {}
        self.memory = 100 * size * size  # a dozen arrays of numbers

    def image(self, index: int) -> Image.Image:
        return to_image(self._examples[index].image())


def _archived(task: ModuleType, data_dir: str | Path | None, folder: Path, progress: bool) -> store.Source:
    """The images of an archive, which are brought into `folder` as a TFDS data set the first time."""
    from tljax.datasets import builder  # tensorflow_datasets is needed only where an archive is prepared

    if not (folder / "tfds").is_dir():
        scratch = folder / "unpacked"
        try:
            examples = list(task.examples(open_archive(Path(data_dir), scratch, progress=progress)))
            classes = check_examples(task.CARD, examples, data_dir)
        except UserError as error:  # which should name what the user gave, not what was made of it
            shutil.rmtree(scratch, ignore_errors=True)
            named = str(error).replace(f"{scratch}.partial", str(data_dir)).replace(str(scratch), str(data_dir))
            raise UserError(named) from error
        if task.CARD.images not in (None, len(examples)):
            print(f"{task.CARD.name}: {len(examples)} images; the paper has {task.CARD.images}", file=sys.stderr)
        builder.write(folder / "tfds", task.CARD, classes, name_by_basename(examples), progress=progress)
        shutil.rmtree(scratch, ignore_errors=True)
    return builder.Reader(folder / "tfds")


def check_examples(card: Card, examples: list[Example], data_dir: str | Path) -> tuple[str, ...]:
    """The classes, after making sure that each has an image and that no two images share a name."""
    if not examples:
        raise UserError(f"{data_dir} holds no image of {card.name}; {source_hint(card)}")
    labels = {example.label for example in examples}
    classes = card.classes or tuple(sorted(labels))
    if absent := [name for name in classes if name not in labels]:
        raise UserError(
            f"{data_dir} holds no image of the class {', '.join(absent)}: half unpacked? {source_hint(card)}"
        )
    if unknown := sorted(labels - set(classes)):
        raise UserError(f"{data_dir}: unknown class {', '.join(unknown)}; {card.name} has {', '.join(classes)}")
    if len(classes) < 2:
        raise UserError(
            f"{data_dir} holds the one class {classes[0]}; at least two are needed to tell apart "
            f"(if {classes[0]} holds the folders of the classes, give it with --data-dir)"
        )
    seen = set()
    for example in examples:
        if example.file in seen:
            raise UserError(f"{data_dir} names {example.file} twice; every image needs a name of its own")
        seen.add(example.file)
    return classes


def name_by_basename(examples: list[Example]) -> list[Example]:
    """The examples named by basename where that is unique in the set, as the published fold lists name them."""
    basenames = [example.file.rsplit("/", 1)[-1] for example in examples]
    if len(set(basenames)) < len(basenames):
        return examples
    return [replace(example, file=name) for example, name in zip(examples, basenames, strict=True)]


def _open(card: Card, folder: Path, skip_bad: bool) -> Dataset:
    found = store.open_store(folder)
    if found.skipped:
        listing = store.describe_bad(found.skipped)
        if not skip_bad:
            raise UserError(
                f"{len(found.skipped)} images of {card.name} cannot be used:\n{listing}\n"
                f"fix or remove them, or leave them out with --skip-bad"
            )
        print(f"{card.name}: {len(found.skipped)} images left out:\n{listing}", file=sys.stderr)
    labels = {row.label for row in found.rows}
    if absent := [name for name in found.classes if name not in labels]:
        raise UserError(f"{card.name}: no readable image of the class {', '.join(absent)} is left")
    patients = tuple(row.patient for row in found.rows)
    splits = tuple(row.split for row in found.rows)
    return Dataset(
        card=replace(card, classes=found.classes),
        images=found.images,
        labels=store.encode_labels([row.label for row in found.rows], found.classes),
        files=tuple(row.file for row in found.rows),
        patients=patients if None not in patients else None,
        splits=splits if None not in splits else None,
        fingerprint=found.fingerprint,
        skipped=tuple(found.skipped),
    )
