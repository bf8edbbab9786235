"""Cross-validation folds: by the paper's rule, by an honest one, by the archive's own split, or from fold lists."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Int64

from tljax import datasets
from tljax.core.config import TrainConfig
from tljax.core.errors import UserError
from tljax.datasets import Dataset
from tljax.datasets.foldlists import PARTS, read_parts

FOLDS = 5
HELD_OUT = 4  # into how many parts the paper's rule divides the patients that a fold holds out: 3 test, 1 validation
PAPER_SEED = 2  # the authors' random_state
HONEST_HINT = "the honest rule may do (--folds honest)"


@dataclass(frozen=True)
class Fold:
    """Row numbers of a `Dataset`, sorted, no row in two parts."""

    train: Int64[np.ndarray, " a"]
    val: Int64[np.ndarray, " b"]
    test: Int64[np.ndarray, " c"]


def make_folds(dataset: Dataset, rule: str = "paper") -> list[Fold]:
    """Five folds, or the one that the archive brings.

    `paper`: 80 % train; the other 20 % are divided into test and validation, so that a part of the images is never
    tested. By GroupKFold where the card groups (3/4 test, 1/4 validation), else by StratifiedKFold (4/5 and 1/5).
    `honest`: stratified and grouped at once by every grouping that is known; each image is tested in exactly one fold;
    an eighth of the other images is validation.
    """
    if rule not in ("paper", "honest"):
        raise UserError(f"unknown fold rule {rule!r}; there are paper and honest")
    if dataset.splits is not None:
        parts = np.array(dataset.splits)
        folds = [Fold(*(np.flatnonzero(parts == part) for part in PARTS))]
    else:
        _check_counts(dataset)
        folds = list(_paper_folds(dataset) if rule == "paper" else _honest_folds(dataset))
    for number, fold in enumerate(folds, 1):
        _check_classes(dataset, fold, number)
    return folds


def read_folds(folds_dir: str | Path, task: str, dataset: Dataset) -> list[Fold]:
    """The five folds listed in `folds_dir/<task>/{train,val,test}_fold<k>.csv`;
    how they are joined: `foldlists`."""
    return [read_fold(folds_dir, task, dataset, number) for number in range(1, FOLDS + 1)]


def load(config: TrainConfig, *, progress: bool = False) -> tuple[Dataset, Fold]:
    """The data of a run and its fold."""
    data = load_data(config, progress=progress)
    return data, fold_of(data, config.fold, config.folds, config.folds_dir)


def load_data(config: TrainConfig, *, progress: bool = False) -> Dataset:
    """The data of a run. Raises UserError where nothing says which images are meant, or what says it is not read."""
    card = datasets.card(config.dataset)
    if config.data_dir and not card.needs_archive:
        raise UserError(
            f"{config.dataset} is generated and reads no --data-dir {config.data_dir}; is --dataset folder meant?"
        )
    if config.data_dir is None and not card.classes:
        raise UserError(
            f"--dataset {config.dataset}: give its images with --data-dir; those prepared before may be others"
        )
    return datasets.load(
        config.dataset,
        config.data_dir,
        config.image_size,
        cache_dir=config.cache_dir,
        skip_bad=config.skip_bad,
        progress=progress,
    )


def fold_of(dataset: Dataset, number: int, rule: str = "paper", folds_dir: str | Path | None = None) -> Fold:
    """Fold `number` (from 1) by our own rule, or from the lists in `folds_dir`. Raises UserError outside the range."""
    folds = make_folds(dataset, rule) if folds_dir is None else None
    count = len(folds) if folds else FOLDS
    if not 1 <= number <= count:
        raise UserError(f"there is no fold {number}; {dataset.card.name} has folds 1..{count}")
    return folds[number - 1] if folds else read_fold(folds_dir, dataset.card.name, dataset, number)


def read_fold(folds_dir: str | Path, task: str, dataset: Dataset, number: int) -> Fold:
    """One of `read_folds`."""
    folder = Path(folds_dir) / task
    if not folder.is_dir():
        raise UserError(f"--folds-dir {folds_dir}: there is no folder {task} in it")
    return Fold(**read_parts(folder, dataset, number))


def _paper_folds(dataset: Dataset) -> Iterator[Fold]:
    from sklearn.model_selection import StratifiedKFold

    groups = _groups(dataset)
    if dataset.card.grouped_by == "patient" and groups is not None:
        if (patients := len(np.unique(groups))) < FOLDS * HELD_OUT:
            raise UserError(
                f"the paper's rule needs at least {FOLDS * HELD_OUT} patients, {HELD_OUT} to hold out in every fold; "
                f"there are {patients}; {HONEST_HINT}"
            )
        fold_of = _group_kfold(groups, FOLDS)
        for number in range(FOLDS):
            held_out = np.flatnonzero(fold_of == number)
            is_val = _group_kfold(groups[held_out], HELD_OUT) == HELD_OUT - 1
            yield Fold(np.flatnonzero(fold_of != number), held_out[is_val], held_out[~is_val])
        return
    outer = StratifiedKFold(FOLDS, shuffle=True, random_state=PAPER_SEED)
    for train, held_out in _divide(outer, dataset.labels):
        *_, (test, val) = _divide(StratifiedKFold(5), dataset.labels[held_out])
        yield Fold(train, held_out[val], held_out[test])


def _divide(splitter, labels: Int32[np.ndarray, " n"], groups: Int64[np.ndarray, " n"] | None = None) -> list[tuple]:
    """The splits of a scikit-learn splitter. Small classes are our own to complain of (`_check_classes`)."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            return list(splitter.split(labels, labels, groups))
    except ValueError as error:
        raise UserError(
            f"{len(labels)} images, at most {np.bincount(labels).max()} of a class, cannot be divided into "
            f"{splitter.get_n_splits()} parts; the paper's rule needs about 25 images of a class, the honest rule 10"
        ) from error


def _group_kfold(groups: Int64[np.ndarray, " n"], count: int) -> Int64[np.ndarray, " n"]:
    """The fold of each row: the largest group goes to the lightest fold, and so on, as scikit-learn's GroupKFold does.

    Its order of equally large groups depends on the processor, which is why grouped published lists cannot be made
    anew; here it is the order of their names, so that all machines make the same folds.
    """
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < count:
        raise UserError(f"some patients have so many images that {FOLDS} folds cannot be made; {HONEST_HINT}")
    fold_of_group, weights = np.empty(len(sizes), np.int64), np.zeros(count, np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of_group[group] = np.argmin(weights)
        weights[fold_of_group[group]] += sizes[group]
    return fold_of_group[inverse]


def _honest_folds(dataset: Dataset) -> Iterator[Fold]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    groups = _groups(dataset)
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    for rest, test in _divide(kind(FOLDS, shuffle=True, random_state=PAPER_SEED), dataset.labels, groups):
        rest_groups = None if groups is None else groups[rest]
        eighths = _divide(kind(8, shuffle=True, random_state=PAPER_SEED), dataset.labels[rest], rest_groups)
        train, val = eighths[0]
        yield Fold(rest[train], rest[val], test)


def _groups(dataset: Dataset) -> Int64[np.ndarray, " n"] | None:
    """The patients as numbers, in the order of their names."""
    if dataset.patients is None:
        return None
    return np.unique(np.array(dataset.patients), return_inverse=True)[1].astype(np.int64)


def _check_counts(dataset: Dataset) -> None:
    counts = np.bincount(dataset.labels, minlength=len(dataset.card.classes))
    for name, count in zip(dataset.card.classes, counts, strict=True):
        if count < FOLDS:
            raise UserError(f"the class {name} has {count} images, fewer than the {FOLDS} folds; add images or drop it")
    unit = dataset.card.unit
    if dataset.patients is not None and (patients := len(set(dataset.patients))) < 2 * FOLDS:
        raise UserError(f"{patients} {unit}s are too few for {FOLDS} folds that keep {unit}s apart")


def _check_classes(dataset: Dataset, fold: Fold, number: int) -> None:
    """Training and testing need every class; a validation part without one has a loss, but no AUC."""
    for part in PARTS:
        rows = getattr(fold, part)
        present = set(dataset.labels[rows].tolist())
        absent = [name for index, name in enumerate(dataset.card.classes) if index not in present]
        if not absent:
            continue
        message = f"fold {number} has no image of {', '.join(absent)} in its {part} part ({len(rows)} images)"
        if part != "val":
            raise UserError(f"{message}; the set is too small or too unevenly grouped for {FOLDS} folds")
        warnings.warn(f"{message}: its validation AUC is undefined", stacklevel=3)
