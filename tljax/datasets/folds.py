"""Makes or reads cross-validation folds: the paper's rule, grouped, the archive's own split, or fold lists."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from tljax import datasets
from tljax.core.config import TrainConfig
from tljax.core.errors import UserError, counted
from tljax.datasets.dataset import PARTS, Dataset, Fold
from tljax.datasets.foldlists import read_parts
from tljax.datasets.grouping import duplicate_groups, patient_groups
from tljax.datasets.leakage import refuse_shared_patients

__all__ = ["FOLDS", "PARTS", "Fold", "fold_of", "load", "load_data", "make_folds", "read_fold", "read_folds"]

FOLDS = 5
HELD_OUT = 4  # parts of the patients that a fold of the paper's rule holds out: 3 for testing, 1 for validation
PAPER_SEED = 2  # the authors' random_state
RULES = {"paper": "paper", "grouped": "grouped", "honest": "grouped"}  # honest: an old name, still accepted
GROUPED_HINT = "the grouped rule may work (--folds grouped)"

Groups = Int64[np.ndarray, " n"] | None


def make_folds(dataset: Dataset, rule: str = "paper", *, group_duplicates: bool = False) -> list[Fold]:
    """Makes five folds, or returns the archive's own split as one fold.

    rule:
        `paper`: 80 % train; the other 20 % are divided into test and validation, so that some images are never tested.
        By GroupKFold if the card groups (3/4 test, 1/4 validation), else by StratifiedKFold (4/5 and 1/5).
        `grouped`: stratified, and grouped by every grouping that is known. Each image is tested in exactly one fold;
        an eighth of the other images is validation. `honest` is its former name.
    group_duplicates: whether duplicate images (`datasets.duplicates`) stay in the same part, by either rule.

    Raises `UserError` if such folds cannot be made.
    """
    if rule not in RULES:
        raise UserError(f"unknown fold rule {rule!r}; known are paper and grouped")
    if dataset.splits is not None:
        if group_duplicates:
            raise UserError(
                f"{dataset.card.name} has its own train, val and test parts, which --group-duplicates cannot change; "
                f"leave out this option"
            )
        parts = np.array(dataset.splits)
        folds = [Fold(*(np.flatnonzero(parts == part) for part in PARTS))]
    else:
        _check_counts(dataset)
        together = duplicate_groups(dataset, datasets.duplicates(dataset)) if group_duplicates else None
        make = _paper_folds if RULES[rule] == "paper" else _grouped_folds
        folds = list(make(dataset, together))
    for number, fold in enumerate(folds, 1):
        _check_classes(dataset, fold, number)
    return folds


def read_folds(folds_dir: str | Path, task: str, dataset: Dataset) -> list[Fold]:
    """Reads the five folds listed in `folds_dir/<task>/{train,val,test}_fold<k>.csv`; see `foldlists`."""
    return [read_fold(folds_dir, task, dataset, number) for number in range(1, FOLDS + 1)]


def load(config: TrainConfig, *, progress: bool = False) -> tuple[Dataset, Fold]:
    """Loads the data of a run and its fold.

    Raises `UserError` if a part of the fold has no image, or if a patient that the task keeps together is in two parts
    of the fold, unless `allow_leakage`.
    """
    data = load_data(config, progress=progress)
    fold = fold_of(data, config.fold, config.folds, config.folds_dir, group_duplicates=config.group_duplicates)
    if empty := [part for part in PARTS if not len(getattr(fold, part))]:
        raise UserError(f"fold {config.fold} has no {' and no '.join(empty)} images; list at least one in --folds-dir")
    if not config.allow_leakage:
        refuse_shared_patients(data, fold, config.fold)
    return data, fold


def load_data(config: TrainConfig, *, progress: bool = False) -> Dataset:
    """Loads the data of a run.

    Raises `UserError` if it is unclear which images are meant, or if --data-dir would not be read.
    """
    card = datasets.card(config.dataset)
    if config.data_dir and not card.needs_archive:
        raise UserError(
            f"{config.dataset} is generated and reads no --data-dir {config.data_dir}; did you mean --dataset folder?"
        )
    if config.data_dir is None and not card.classes:
        raise UserError(
            f"--dataset {config.dataset}: give its images with --data-dir, because those prepared earlier may be others"
        )
    return datasets.load(
        config.dataset,
        config.data_dir,
        config.image_size,
        cache_dir=config.cache_dir,
        skip_bad=config.skip_bad,
        progress=progress,
    )


def fold_of(
    dataset: Dataset,
    number: int,
    rule: str = "paper",
    folds_dir: str | Path | None = None,
    *,
    group_duplicates: bool = False,
) -> Fold:
    """Returns fold `number` (from 1), made by `make_folds` or read from the lists in `folds_dir`.

    Raises `UserError` for a number outside the range.
    """
    if folds_dir is not None and group_duplicates:
        raise UserError(
            f"--group-duplicates makes its own folds, but --folds-dir {folds_dir} lists other folds; "
            "leave out one of the two"
        )
    folds = make_folds(dataset, rule, group_duplicates=group_duplicates) if folds_dir is None else []
    count = FOLDS if folds_dir is not None else len(folds)
    if not 1 <= number <= count:
        raise UserError(f"there is no fold {number}; {dataset.card.name} has folds 1..{count}")
    return folds[number - 1] if folds_dir is None else read_fold(folds_dir, dataset.card.name, dataset, number)


def read_fold(folds_dir: str | Path, task: str, dataset: Dataset, number: int) -> Fold:
    """Reads one of the folds of `read_folds`."""
    folder = Path(folds_dir) / task
    if not folder.is_dir():
        raise UserError(f"--folds-dir {folds_dir}: there is no folder {task} in it")
    return Fold(**read_parts(folder, dataset, number))


def _paper_folds(dataset: Dataset, together: Groups) -> Iterator[Fold]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    groups = patient_groups(dataset)
    if dataset.card.grouped_by == "patient" and groups is not None:
        if (patients := len(np.unique(groups))) < FOLDS * HELD_OUT:
            raise UserError(
                f"the paper's rule needs at least {FOLDS * HELD_OUT} patients, {HELD_OUT} to hold out in every fold, "
                f"but there are {patients}; {GROUPED_HINT}"
            )
        groups = groups if together is None else together
        fold_of = _group_kfold(groups, FOLDS)
        for number in range(FOLDS):
            held_out = np.flatnonzero(fold_of == number)
            is_val = _group_kfold(groups[held_out], HELD_OUT) == HELD_OUT - 1
            yield Fold(np.flatnonzero(fold_of != number), held_out[is_val], held_out[~is_val])
        return
    kind = StratifiedKFold if together is None else StratifiedGroupKFold
    outer = kind(FOLDS, shuffle=True, random_state=PAPER_SEED)
    for train, held_out in _divide(outer, dataset, np.arange(len(dataset)), together):
        *_, (test, val) = _divide(kind(5), dataset, held_out, together)
        yield Fold(train, val, test)


def _grouped_folds(dataset: Dataset, together: Groups) -> Iterator[Fold]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    groups = patient_groups(dataset) if together is None else together
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    outer = kind(FOLDS, shuffle=True, random_state=PAPER_SEED)
    for rest, test in _divide(outer, dataset, np.arange(len(dataset)), groups):
        train, val = _divide(kind(8, shuffle=True, random_state=PAPER_SEED), dataset, rest, groups)[0]
        yield Fold(train, val, test)


def _divide(splitter, dataset: Dataset, rows: Int64[np.ndarray, " m"], groups: Groups) -> list[tuple]:
    """Returns the splits of some rows by a scikit-learn splitter, as rows of the data set.

    Warnings of small classes are silenced; `_check_classes` reports these.
    """
    labels = dataset.labels[rows]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            splits = list(splitter.split(labels, labels, None if groups is None else groups[rows]))
    except ValueError as error:
        raise UserError(_describe_too_small(dataset)) from error
    return [(rows[one], rows[other]) for one, other in splits]


def _describe_too_small(dataset: Dataset) -> str:
    least = int(np.bincount(dataset.labels, minlength=len(dataset.card.classes)).argmin())
    count = int((dataset.labels == least).sum())
    return (
        f"{len(dataset)} images, {count} of them of the class {dataset.card.classes[least]}, are too few for {FOLDS} "
        f"folds by this rule: the paper's rule needs about 25 images of every class, and the grouped rule "
        f"(--folds grouped) about 10"
    )


def _group_kfold(groups: Int64[np.ndarray, " n"], count: int) -> Int64[np.ndarray, " n"]:
    """Returns the fold of each row: the largest group goes to the smallest fold, and so on, as in GroupKFold.

    In scikit-learn's GroupKFold the order of equally large groups depends on the processor, so that published grouped
    lists cannot be reproduced. Here groups are ordered by number, so that all machines make the same folds.
    """
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < count:
        raise UserError(f"some patients have so many images that {FOLDS} folds cannot be made; {GROUPED_HINT}")
    fold_of_group, weights = np.empty(len(sizes), np.int64), np.zeros(count, np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of_group[group] = np.argmin(weights)
        weights[fold_of_group[group]] += sizes[group]
    return fold_of_group[inverse]


def _check_counts(dataset: Dataset) -> None:
    counts = np.bincount(dataset.labels, minlength=len(dataset.card.classes))
    for name, count in zip(dataset.card.classes, counts, strict=True):
        if count < FOLDS:
            raise UserError(
                f"the class {name} has {counted(int(count), 'image')}, fewer than the {FOLDS} folds; add images, or "
                "remove the class"
            )
    unit = dataset.card.unit
    if dataset.patients is not None and (patients := len(set(dataset.patients))) < 2 * FOLDS:
        raise UserError(f"{patients} {unit}s are too few for {FOLDS} folds that keep {unit}s apart")


def _check_classes(dataset: Dataset, fold: Fold, number: int) -> None:
    """Raises UserError if a class is missing in training or test, and warns if one is missing in validation."""
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
