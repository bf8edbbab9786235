"""Defines the types of a data set: its card, an example, the prepared set, and a fold."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Int64, UInt8

PARTS = ("train", "val", "test")

Pixels = Path | Callable[[], np.ndarray]
"""Where an example's pixels are: an image file, or a function that returns them (`h w` or `h w 3`)."""


@dataclass(frozen=True)
class Card:
    """The facts about a task that are known before its archive is opened.

    `classes` is empty if the archive defines them. `images`, `image_size` and `batch_size` are those of the paper.
    `grouped_by` says whether the paper kept the images of a patient in one part of a fold. `unit` says what
    `Dataset.patients` names.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    images: int | None
    image_size: int
    batch_size: int
    flip: bool
    grouped_by: str  # "none" | "patient"
    licence: str
    source: str
    needs_archive: bool = True
    unit: str = "patient"  # | "lesion" | "slide"
    version: int = 1  # of the rules by which the archive becomes images; raise it whenever the pixels change


@dataclass(frozen=True)
class Example:
    """One image of a task. `file` is its unique name in the set: its path relative to the archive."""

    file: str
    label: str
    image: Pixels
    patient: str | None = None
    split: str | None = None  # "train" | "val" | "test", if the archive has its own split


@dataclass(frozen=True)
class Dataset:
    """A prepared set. `images` is memory-mapped and read-only: processes that load the same set share its pages."""

    card: Card
    images: UInt8[np.ndarray, "n h w 3"]
    labels: Int32[np.ndarray, " n"]
    files: tuple[str, ...]
    patients: tuple[str, ...] | None
    splits: tuple[str, ...] | None
    fingerprint: str
    skipped: tuple[str, ...] = ()  # unreadable images that --skip-bad left out

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True)
class Fold:
    """Sorted row numbers of a `Dataset`; no row is in two parts."""

    train: Int64[np.ndarray, " a"]
    val: Int64[np.ndarray, " b"]
    test: Int64[np.ndarray, " c"]
