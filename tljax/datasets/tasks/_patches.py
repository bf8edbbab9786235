"""Reads PatchCamelyon, and draws patches with a fixed seed.

It is read from its HDF5 files, from a prepared TFDS `patch_camelyon`, or from the authors' PNG files
`<number>_label=<0|1>.png`. Only these have the names of the published fold lists. The three tables next to the HDF5
files name the slides, which are the groups of the grouped folds.
"""

import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
from jaxtyping import Int64, UInt8

from tljax.core.errors import UserError
from tljax.datasets.dataset import Card, Example
from tljax.datasets.decoding import BadImage, decode_bytes
from tljax.datasets.listing import list_files, without_copies
from tljax.datasets.tables import read_table

CLASSES = ("no", "yes")  # tumour tissue in the central 32 x 32 pixels
SEED = 2302_08272
SPLITS = ("train", "valid", "test")
TFDS = "patch_camelyon"
HDF5 = {(split, kind): f"camelyonpatch_level_2_split_{split}_{kind}.h5" for split in SPLITS for kind in "xy"}
META = {split: f"camelyonpatch_level_2_split_{split}_meta.csv" for split in SPLITS}


def card(name: str, images: int) -> Card:
    return Card(
        name=name,
        title=f"Tumour in lymph node patches (PatchCamelyon, {images:,} of 327,680)",
        classes=CLASSES,
        images=images,
        image_size=96,
        batch_size=128,
        flip=True,
        grouped_by="none",
        licence="CC0 1.0; cite Veeling et al. 2018 (arXiv 1806.03962)",
        source="https://github.com/basveeling/pcam (six .h5.gz files, in one folder), or TFDS patch_camelyon",
        unit="slide",
    )


def draw(archive: Path, count: int) -> Iterator[Example]:
    """Draws `count` random patches from all splits, the same in every preparation; all if there are fewer."""
    files = list_files(archive)
    if prepared := [path.parent for path in files if path.name == "dataset_info.json"]:
        total, example = _from_tfds(_the_one(prepared))
    elif any(path.suffix == ".h5" for path in files):
        total, example = _from_hdf5(archive, files)
    elif exported := [path for path in files if path.suffix == ".png"]:
        total, example = _from_png(archive, exported)
    else:
        total, example = _from_hdf5(archive, files)
    chosen = np.random.default_rng(SEED).choice(total, min(count, total), replace=False)
    for index in np.sort(chosen).tolist():
        yield example(index)


def _the_one(prepared: list[Path]) -> Path:
    """Returns the only prepared TFDS data set below a folder, or the only one of PatchCamelyon."""
    patches = [folder for folder in prepared if TFDS in folder.parts] or prepared
    if len(patches) > 1:
        raise UserError(f"{patches[0]} and {patches[1]} are both prepared TFDS data sets; give one with --data-dir")
    return patches[0]


def _from_hdf5(archive: Path, files: list[Path]) -> tuple[int, Callable[[int], Example]]:
    path_of = {path.name: path for path in without_copies(path for path in files if path.name in HDF5.values())}
    if missing := [name for name in HDF5.values() if name not in path_of]:
        raise UserError(
            f"{archive} is not the complete archive of PatchCamelyon: there is no {', '.join(missing)}; "
            f"`tljax datasets` says where to get it"
        )
    images, labels = ([path_of[HDF5[split, kind]] for split in SPLITS] for kind in "xy")
    labels = [_labels(path, pixels) for path, pixels in zip(labels, images, strict=True)]
    slides = _slides(files, [len(part) for part in labels])
    starts = np.cumsum([0, *map(len, labels)])

    def example(index: int) -> Example:
        part = int(np.searchsorted(starts, index, side="right")) - 1
        row = index - int(starts[part])
        label = int(labels[part][row])
        image = partial(_read_patch, images[part], row)
        slide = slides[part][row] if slides else None
        return Example(f"{SPLITS[part]}_{row}_label={label}.png", CLASSES[label], image, slide)

    return int(starts[-1]), example


def _slides(files: list[Path], counts: list[int]) -> list[list[str]] | None:
    """Returns the slide of each patch of each part, by the tables next to the HDF5 files; None if one is absent."""
    path_of = {path.name: path for path in without_copies(path for path in files if path.name in META.values())}
    if absent := [name for name in META.values() if name not in path_of]:
        if path_of:
            print(f"the slides are not known, as there is no {', '.join(absent)}", file=sys.stderr)
        return None
    slides = [[row["wsi"] for _, row in read_table(path_of[name], ("wsi",))] for name in META.values()]
    for name, part, count in zip(META.values(), slides, counts, strict=True):
        if len(part) != count:
            raise UserError(f"{path_of[name]} has {len(part)} lines, but there are {count} patches; fetch them again")
    return slides


def _from_png(archive: Path, paths: list[Path]) -> tuple[int, Callable[[int], Example]]:
    def example(index: int) -> Example:
        found = re.fullmatch(r".*_label=([01])", paths[index].stem)
        if not found:
            raise UserError(f"{paths[index]} is not named <number>_label=<0 or 1>.png, so its class is unknown")
        return Example(paths[index].relative_to(archive).as_posix(), CLASSES[int(found[1])], paths[index])

    return len(paths), example


def _labels(path: Path, images: Path) -> Int64[np.ndarray, " n"]:
    try:
        with h5py.File(path) as file, h5py.File(images) as pixels:
            labels = np.asarray(_array(file, "y")[:]).reshape(-1).astype(np.int64)
            shape = _array(pixels, "x").shape
    except (OSError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} and {images.name} are not the HDF5 files of PatchCamelyon ({reason})") from error
    if len(labels) != shape[0]:
        raise UserError(f"{path} holds {len(labels)} labels, {images.name} {shape[0]} images; fetch them again")
    if not np.isin(labels, (0, 1)).all():
        raise UserError(f"{path} holds labels other than 0 and 1")
    return labels


def _array(file: h5py.File, name: str) -> h5py.Dataset:
    found = file[name]
    if not isinstance(found, h5py.Dataset):
        raise KeyError(f"{name} is no array")
    return found


def _read_patch(path: Path, row: int) -> UInt8[np.ndarray, "h w 3"]:
    try:
        with h5py.File(path) as file:
            return np.asarray(_array(file, "x")[row])
    except OSError as error:
        raise BadImage(f"cannot be read from {path.name} ({error})") from error


def _from_tfds(folder: Path) -> tuple[int, Callable[[int], Example]]:
    """Returns a prepared TFDS data set, in TFRecord or ArrayRecord files; neither needs tensorflow."""
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder_from_directory(str(folder))
    features, raw = builder.info.features, cast(Any, {"image": tfds.decode.SkipDecoding()})
    records: list[tuple[str, Callable[[], Any]]] = []
    for split, info in sorted(builder.info.splits.items()):
        if builder.info.file_format.file_suffix == "tfrecord":
            places = [(path, offset) for path in map(Path, info.filepaths) for offset in _record_offsets(path)]
            records += [
                (f"{split}_{row}", lambda place=place: features.deserialize_example_np(_record(*place), decoders=raw))
                for row, place in enumerate(places)
            ]
        else:
            source = builder.as_data_source(split, decoders=raw)
            records += [
                (f"{split}_{row}", lambda source=source, row=row: source[row]) for row in range(info.num_examples)
            ]

    def example(index: int) -> Example:
        name, read = records[index]
        label = int(read()["label"])
        return Example(f"{name}_label={label}.png", CLASSES[label], lambda: np.asarray(decode_bytes(read()["image"])))

    return len(records), example


def _record_offsets(path: Path) -> Sequence[int]:
    """Returns where each record of a TFRecord file begins: length (8 bytes), checksum (4), data, checksum (4)."""
    offsets, position, size = [], 0, path.stat().st_size
    with open(path, "rb") as file:
        while position < size:
            file.seek(position)
            offsets.append(position)
            header = file.read(8)
            if len(header) < 8:
                raise UserError(f"{path} is cut off; prepare patch_camelyon again")
            position += 16 + struct.unpack("<Q", header)[0]
    if position != size:
        raise UserError(f"{path} is cut off; prepare patch_camelyon again")
    return offsets


def _record(path: Path, offset: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        (length,) = struct.unpack("<Q", file.read(8))
        file.seek(4, 1)
        return file.read(length)
