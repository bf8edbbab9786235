"""Writes and reads every task as a TFDS data set, without tensorflow.

PNG and JPEG images are kept byte for byte; all others become lossless PNGs by the rules of `decode`. The archive is
therefore needed only once, and every image size can be made later. The result is a standard TFDS data set in
ArrayRecord files, which `tfds.builder_from_directory(...)` opens.
"""

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from PIL import Image

from tljax.core.errors import UserError
from tljax.core.files import replacing
from tljax.core.progress import progress_bar
from tljax.datasets.dataset import Card, Example, Pixels
from tljax.datasets.decoding import BadImage, NoDecoder, decode_bytes, decode_file, memory_needed, to_image
from tljax.datasets.decoding.pictures import opened
from tljax.datasets.store import Row, describe_bad, workers

KEPT_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
SHARD = 1000  # examples in a file
SPLIT = "train"  # TFDS wants a split's name; the archive's own split is a feature


class TaskBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A TFDS builder over a list of examples whose images are files that can be copied."""

    VERSION = tfds.core.Version("1.0.0")
    name = "task"

    def __init__(self, card: Card, classes: tuple[str, ...], examples: list[tuple[Example, Path]], data_dir: Path):
        self._card, self._classes, self._examples = card, classes, examples
        self.name = card.name.replace("-", "_")  # pyright: ignore[reportAttributeAccessIssue] (TFDS reads it so)
        super().__init__(data_dir=str(data_dir), file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=list(self._classes)),
            "file": tfds.features.Text(),
            "patient": tfds.features.Text(),
            "split": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=self._card.title,
            homepage=self._card.source,
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,  # the order of the examples is part of the folds
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        return {SPLIT: self._generate_examples()}

    def prepare(self) -> None:
        """Writes the examples one after the other.

        `download_and_prepare` would first collect and sort them, which takes a gigabyte of memory and, beyond that,
        files that need tensorflow.
        """
        self.data_path.mkdir(parents=True)
        writer = tfds.core.SequentialWriter(self.info, SHARD, file_format="array_record")
        writer.initialize_splits([SPLIT])
        examples: Any = (example for _, example in self._generate_examples())  # a list would be in memory at once
        writer.add_examples({SPLIT: examples})
        writer.close_all()

    def _generate_examples(self) -> Iterator[tuple[int, dict]]:
        for index, (example, path) in enumerate(self._examples):
            yield (
                index,
                {
                    "image": path,
                    "label": example.label,
                    "file": example.file,
                    "patient": example.patient or "",
                    "split": example.split or "",
                },
            )


class Reader:
    """Random access to a written data set: `rows`, and `image(i)` from any thread."""

    def __init__(self, folder: Path):
        (info,) = folder.glob("*/*/dataset_info.json")
        builder: Any = tfds.builder_from_directory(str(info.parent))
        self.classes: list[str] = builder.info.features["label"].names
        raw: Any = {"image": tfds.decode.SkipDecoding()}
        self._source = builder.as_data_source(SPLIT, decoders=raw)
        self.rows, self.memory = [], 0
        for example in builder.as_data_source(SPLIT, decoders=raw):
            self.rows.append(
                Row(
                    example["file"].decode(),
                    self.classes[example["label"]],
                    example["patient"].decode() or None,
                    example["split"].decode() or None,
                )
            )
            self.memory = max(self.memory, memory_needed(example["image"]))
        self.skipped: dict[str, str] = json.loads((folder / "skipped.json").read_text(encoding="utf-8"))

    def image(self, index: int) -> Image.Image:
        """Returns the image of `rows[index]`. Raises `BadImage`."""
        return decode_bytes(self._source[index]["image"])

    def sizes(self) -> Counter[tuple[int, int]]:
        """Returns the number of readable images of each (width, height)."""
        counts: Counter[tuple[int, int]] = Counter()
        for example in self._source:
            with contextlib.suppress(Exception), opened(example["image"]) as image:
                counts[image.size] += 1
        return counts


def write(folder: Path, card: Card, classes: tuple[str, ...], examples: list[Example], *, progress: bool) -> None:
    """Writes the examples as the TFDS data set `folder`; records the images that could not be converted, and why."""
    converted = folder.with_name("converted")
    converted.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    paths, skipped = _convert(examples, converted, f"{card.name}: convert", progress)
    kept = [(example, path) for example, path in zip(examples, paths, strict=True) if path]
    if not kept:
        raise UserError(f"none of the {len(examples)} images of {card.name} can be used:\n{describe_bad(skipped)}")
    builder = TaskBuilder(card, classes, kept, partial)
    try:
        builder.prepare()
    except RuntimeError as error:  # the writer reports a full disk in this way
        raise OSError(error) from error
    (partial / "skipped.json").write_text(json.dumps(skipped), encoding="utf-8")
    partial.rename(folder)
    shutil.rmtree(converted)


def _convert(
    examples: list[Example], folder: Path, title: str, progress: bool
) -> tuple[list[Path | None], dict[str, str]]:
    """Returns the file to copy of each example: the archive's own, or a PNG that is written to `folder`.

    It is None for images that cannot be used. The dictionary has their names and the reasons.
    """
    skipped = {}

    def convert(index: int) -> Path | None:
        example = examples[index]
        if isinstance(example.image, Path) and example.image.suffix.lower() in KEPT_SUFFIXES:
            return example.image
        path = folder / f"{index}.png"
        if not path.exists():
            try:
                _write_png(example.image, path)
            except NoDecoder as reason:  # so that the image is not recorded as bad once the decoder is installed
                raise UserError(f"{example.file} {reason}") from reason
            except BadImage as reason:
                skipped[example.file] = str(reason)
                return None
        return path

    paths = (example.image for example in examples if isinstance(example.image, Path))
    memory = max(map(memory_needed, paths), default=0)
    with ThreadPoolExecutor(workers(memory)) as pool, progress_bar(title, len(examples), progress) as advance:
        found = []
        for path in pool.map(convert, range(len(examples))):
            found.append(path)
            advance(1)
    return found, {example.file: skipped[example.file] for example in examples if example.file in skipped}


def _write_png(image: Pixels, path: Path) -> None:
    decoded = decode_file(image) if isinstance(image, Path) else to_image(image())
    with replacing(path) as temporary:
        decoded.save(temporary, format="png", compress_level=1)
