"""Prepares a task: converts its archive to a TFDS data set, once, and this to a store of pixels for each image size."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from PIL import Image

from tljax.core.errors import UserError
from tljax.datasets import store
from tljax.datasets.archive import open_archive
from tljax.datasets.cache_folders import source_hint
from tljax.datasets.dataset import Card, Example
from tljax.datasets.decoding import to_image


def prepare(
    task: ModuleType, data_dir: str | Path | None, folder: Path, target: Path, size: int, progress: bool
) -> None:
    """Prepares a task at one image size as the store `target`, from what `folder` keeps of its archive."""
    source = _archived(task, data_dir, folder, progress) if task.CARD.needs_archive else _Generated(task, size)
    store.build(target, source, size, title=f"{task.CARD.name} at {size} px", progress=progress)


class _Generated:
    """The images of a task that needs no archive, as a source for the store."""

    def __init__(self, task: ModuleType, size: int):
        self._examples = list(task.examples(size))
        self.rows = [store.Row(e.file, e.label, e.patient, e.split) for e in self._examples]
        self.classes: tuple[str, ...] = task.CARD.classes
        self.skipped: dict[str, str] = {}
        self.memory = 100 * size * size  # a dozen arrays of numbers

    def image(self, index: int) -> Image.Image:
        return to_image(self._examples[index].image())


def _archived(task: ModuleType, data_dir: str | Path | None, folder: Path, progress: bool) -> store.Source:
    """Returns the images of an archive. The first time, they are written to `folder` as a TFDS data set."""
    from tljax.datasets import builder  # tensorflow_datasets is needed only where an archive is prepared

    if not (folder / "tfds").is_dir():
        if data_dir is None:
            raise UserError(f"{folder} does not hold the images of {task.CARD.name}: give its archive with --data-dir")
        scratch = folder / "unpacked"
        try:
            examples = list(task.examples(open_archive(Path(data_dir), scratch, progress=progress)))
            classes = check_examples(task.CARD, examples, data_dir)
        except UserError as error:  # the message should name what the user gave, not a temporary folder
            shutil.rmtree(scratch, ignore_errors=True)
            named = str(error).replace(f"{scratch}.partial", str(data_dir)).replace(str(scratch), str(data_dir))
            raise UserError(named) from error
        if task.CARD.images not in (None, len(examples)):
            print(f"{task.CARD.name}: {len(examples)} images; the paper has {task.CARD.images}", file=sys.stderr)
        builder.write(folder / "tfds", task.CARD, classes, name_by_basename(examples), progress=progress)
        shutil.rmtree(scratch, ignore_errors=True)
    return builder.Reader(folder / "tfds")


def check_examples(card: Card, examples: list[Example], data_dir: str | Path) -> tuple[str, ...]:
    """Returns the classes. Raises `UserError` if a class has no image, or if two images share a name."""
    if not examples:
        raise UserError(f"{data_dir} holds no image of {card.name}; {source_hint(card)}")
    labels = {example.label for example in examples}
    classes: tuple[str, ...] = card.classes or tuple(sorted(labels))
    if absent := [name for name in classes if name not in labels]:
        raise UserError(
            f"{data_dir} holds no image of the class {', '.join(absent)}. "
            f"Is the archive completely unpacked? {source_hint(card)}"
        )
    if unknown := sorted(labels - set(classes)):
        raise UserError(f"{data_dir}: unknown class {', '.join(unknown)}; {card.name} has {', '.join(classes)}")
    if len(labels) == 1:
        (only,) = labels
        raise UserError(
            f"{data_dir} holds only the class {only}, but at least two are needed (if {only} holds the folders of the "
            f"classes, give that folder with --data-dir)"
        )
    seen = set()
    for example in examples:
        if example.file in seen:
            raise UserError(f"{data_dir} names {example.file} twice; every image needs its own name")
        seen.add(example.file)
    return classes


def name_by_basename(examples: list[Example]) -> list[Example]:
    """Returns the examples, named by basename if it is unique in the set, as in the published fold lists."""
    basenames = [example.file.rsplit("/", 1)[-1] for example in examples]
    if len(set(basenames)) < len(basenames):
        return examples
    return [replace(example, file=name) for example, name in zip(examples, basenames, strict=True)]
