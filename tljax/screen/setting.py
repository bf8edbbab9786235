"""Prepares what all candidates of a screening share: the images, the folds, and draws of training images."""

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Integer

from tljax import datasets
from tljax.core.config import ScreenConfig, TrainConfig
from tljax.core.errors import UserError
from tljax.datasets import Dataset
from tljax.datasets.folds import Fold, load_data, make_folds, read_folds
from tljax.datasets.grouping import duplicate_groups, patient_groups

SHARES = (0.1, 0.25, 0.5)  # shares of the training images in the learning curve
DRAWS = 5  # draws per share and fold
SEARCHED = 20_000  # largest number of images among which duplicates are searched by default: the time is quadratic

Rows = Int[np.ndarray, " _"]


@dataclass(frozen=True)
class Draw:
    """A draw of part of the training images of one fold."""

    share: float
    fold: int
    rows: Rows


@dataclass(frozen=True)
class Setting:
    """The images of a screening and how they are divided."""

    data: Dataset
    folds: tuple[Fold, ...]
    groups: Integer[np.ndarray, " n"] | None
    """One number per image; images with the same number stay together within the training part."""
    draws: tuple[Draw, ...]
    without: tuple[tuple[Rows, Rows], ...]
    """For each fold, the training rows without duplicates of test images, and without as many other images. Empty if
    there are no duplicates."""
    duplicates: int
    """Number of test images, over all folds, that have a duplicate among the training images."""

    @property
    def test_to_train(self) -> float:
        """The number of test images divided by the number of training images, as a mean over folds."""
        return float(np.mean([len(fold.test) / len(fold.train) for fold in self.folds]))

    @property
    def classes(self) -> int:
        return len(self.data.card.classes)

    def digest(self) -> str:
        """Returns a hash of everything in the setting on which results depend."""
        facts = [self.data.fingerprint, [[part.tolist() for part in (fold.train, fold.test)] for fold in self.folds]]
        facts += [[draw.rows.tolist() for draw in self.draws], [[a.tolist(), b.tolist()] for a, b in self.without]]
        facts.append(None if self.groups is None else self.groups.tolist())
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:20]


def prepare(config: ScreenConfig) -> Setting:
    """Loads the images and divides them into folds. Raises UserError for settings that make no sense."""
    if config.folds_dir and config.group_duplicates:
        raise UserError(
            f"--group-duplicates makes new folds, but --folds-dir {config.folds_dir} states the folds; "
            "leave out one of the two"
        )
    data = load_data(
        TrainConfig(
            dataset=config.dataset,
            data_dir=config.data_dir,
            image_size=config.image_size,
            cache_dir=config.cache_dir,
            skip_bad=config.skip_bad,
        ),
        progress=not config.quiet,
    )
    if config.folds_dir:
        folds = read_folds(config.folds_dir, config.dataset, data)
    else:
        folds = make_folds(data, config.folds, group_duplicates=config.group_duplicates)
    _require_classes(data, folds)
    groups, without, count = patient_groups(data), (), 0
    if config.group_duplicates or len(data) <= SEARCHED:
        pairs = datasets.duplicates(data)
        together = duplicate_groups(data, pairs)
        if config.group_duplicates:
            groups = together
        elif pairs:
            without, count = _without_duplicates(data, folds, together, config.seed)
    draws = tuple(_draws(data, folds, groups, config.seed)) if config.efficiency else ()
    return Setting(data, tuple(folds), groups, draws, without, count)


def _require_classes(data: Dataset, folds: Sequence[Fold]) -> None:
    """Raises UserError if a probe cannot be fitted or tested in a fold, because a class is missing."""
    for number, fold in enumerate(folds, start=1):
        for part in ("train", "test"):
            present = set(data.labels[getattr(fold, part)].tolist())
            if absent := [name for place, name in enumerate(data.card.classes) if place not in present]:
                if part == "test" and len(present) > 1:
                    warnings.warn(f"fold {number} has no test image of {', '.join(absent)}", stacklevel=2)
                    continue
                raise UserError(
                    f"fold {number} has no image of {', '.join(absent)} in its {part} part, so a probe cannot be "
                    f"{'fitted' if part == 'train' else 'tested'}; add images of this class, or remove the class"
                )


def _without_duplicates(
    data: Dataset, folds: Sequence[Fold], together: Integer[np.ndarray, " n"], seed: int
) -> tuple[tuple[tuple[Rows, Rows], ...], int]:
    """Returns, for each fold, its training rows without duplicates of test images, and without as many other images.

    The second set has as many images of each class as the first, for a fair comparison. Also returns the number of test
    images that have a duplicate among the training images.
    """
    rng = np.random.default_rng(seed)
    found, count = [], 0
    for fold in folds:
        shown = np.isin(together[fold.train], together[fold.test])
        count += int(np.isin(together[fold.test], together[fold.train]).sum())
        dropped = []
        for label in np.unique(data.labels[fold.train[shown]]):
            same = data.labels[fold.train] == label
            others = fold.train[same & ~shown]
            dropped.append(rng.choice(others, min(int((same & shown).sum()), len(others)), replace=False))
        control = np.setdiff1d(fold.train, np.concatenate(dropped)) if dropped else fold.train
        found.append((fold.train[~shown], control))
    return tuple(found), count


def _draws(data: Dataset, folds: Sequence[Fold], groups: Integer[np.ndarray, " n"] | None, seed: int) -> Iterator[Draw]:
    """Yields `DRAWS` stratified parts of the training images for each share and fold; groups stay whole."""
    rng = np.random.default_rng(seed)
    units = np.arange(len(data)) if groups is None else groups
    for share in SHARES:
        for number, fold in enumerate(folds):
            for _ in range(DRAWS):
                yield Draw(share, number, _part(data.labels, units, fold.train, share, rng))


def _part(
    labels: Integer[np.ndarray, " n"],
    units: Integer[np.ndarray, " n"],
    rows: Rows,
    share: float,
    rng: np.random.Generator,
) -> Rows:
    """Returns about this share of the rows of each class, at least one group; groups stay whole."""
    taken: set[int] = set()
    for label in np.unique(labels[rows]):
        own = rows[labels[rows] == label]
        order = rng.permutation(np.unique(units[own]))
        sizes = np.array([(units[own] == unit).sum() for unit in order])
        wanted = max(round(share * len(own)), 1)
        before = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        taken |= set(order[(before < wanted) & ((before + sizes / 2 <= wanted) | (before == 0))].tolist())
    return rows[np.isin(units[rows], list(taken))]
