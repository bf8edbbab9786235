"""Reads the run folders of a study and scores the finished ones.

A run folder is read once, and only what the report needs is kept, so that 30,000 runs fit into memory. Data that many
runs share (the images of a fold, the cards of the data and of the weights) are kept once.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from tljax.core.errors import UserError
from tljax.core.predictions import Predictions
from tljax.core.runs import CONFIG, Run, SplitRow, Status, iterate_runs
from tljax.report.analysis.conditions import Arm, Condition, recipe_of
from tljax.statistics import metrics, scores
from tljax.statistics.auc_interval import auc_interval
from tljax.statistics.delong import FoldPredictions
from tljax.statistics.estimates import Estimate

T = TypeVar("T")
_CARDS = ("card", "init", "versions")  # objects of config.json that the report needs
_CURVES = ("val_loss", "val_auc", "images_per_second", "device_memory_bytes")


@dataclass(frozen=True)
class RunRecord:
    """What the report needs of a run folder, whether it is finished or not."""

    place: str
    """The folder, relative to the study's."""
    task: str
    init: str
    freeze: bool
    tag: str
    fold: int
    status: Status
    problem: str
    """Why it is corrupt or unfinished."""
    settings: Mapping[str, Any]
    """The `TrainConfig` as JSON values; empty for a corrupt run."""
    facts: Mapping[str, Any]
    """Other entries of `config.json`: card, init, versions, devices, skipped, hashes, layers."""


@dataclass(frozen=True, eq=False)
class FoldImages:
    """Every image of a fold, with its part. All runs of the fold share one object, which can be a dictionary key."""

    rows: tuple[SplitRow, ...]
    counts: Mapping[str, int]
    """Images by part: train, val, test."""
    patient_of: Mapping[str, str]
    """By file; empty where the patient is unknown."""

    @property
    def in_several_parts(self) -> set[str]:
        """The known patients that have images in more than one part."""
        parts: dict[str, set[str]] = defaultdict(set)
        for row in self.rows:
            if row.patient:
                parts[row.patient].add(row.split)
        return {patient for patient, splits in parts.items() if len(splits) > 1}


@dataclass(frozen=True)
class Epochs:
    """What training recorded, one value per epoch; NaN if it is undefined."""

    phases: tuple[str, ...]
    curves: Mapping[str, Float[np.ndarray, " e"]]


@dataclass(frozen=True)
class Trial:
    """A finished run with its scores on the test images."""

    run: RunRecord
    arm: Arm
    seed: int
    images: FoldImages
    test: Predictions
    held_out: Predictions
    """Of the validation and the test images together."""
    patients: tuple[str, ...] | None
    """The patient of each test image; None if any is unknown."""
    auc: Estimate
    auc_keras: float
    auc_held_out: float
    """Over validation and test images together, which is what the paper published."""
    scores: Mapping[str, float]
    epochs: Epochs
    epoch_kept: int | None
    seconds: float

    @property
    def fold(self) -> int:
        """The number of its fold."""
        return self.run.fold


def read_trials(workdir: Path) -> tuple[list[RunRecord], list[Trial]]:
    """Reads every run folder of a study; returns a record of each and the scored finished runs.

    Raises:
        UserError: `workdir` is not a folder.
    """
    records: list[RunRecord] = []
    trials: list[Trial] = []
    shared = _Shared()
    for run in iterate_runs(workdir):
        place = run.path.relative_to(workdir).as_posix()
        try:
            if run.status != "corrupt":
                _check(run)
            record = _record(run, place, shared)
            if run.status == "finished":
                trials.append(_score(run, record, shared))
        except UserError as error:
            record = _corrupt(run, place, str(error))
        records.append(record)
    order = sorted(range(len(records)), key=lambda number: _order(records[number]))
    return [records[number] for number in order], sorted(trials, key=lambda trial: _order(trial.run))


def by_file(predictions: Predictions, patients: Iterable[str] | None) -> FoldPredictions:
    """Returns predictions in the order of the file names, so that those of two networks have the same order."""
    rows = np.argsort(np.array(predictions.files))
    names = None if patients is None else list(patients)
    return FoldPredictions(
        predictions.labels[rows],
        (predictions.probabilities[rows],),
        None if names is None else [names[row] for row in rows],
    )


def patients_of(images: FoldImages, files: Iterable[str]) -> tuple[str, ...] | None:
    """Returns the patient of each file; None if any is unknown."""
    known = tuple(images.patient_of.get(file, "") for file in files)
    return known if all(known) else None


def number(value: object) -> float:
    """Returns a JSON value as a number; NaN if it is not a number."""
    return float(value) if isinstance(value, int | float) else float("nan")


class _Shared:
    """Keeps one copy of equal values. Each method returns the kept copy."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def value(self, value: T) -> T:
        """Returns the kept copy of a hashable value."""
        return self._known.setdefault(value, value)

    def json(self, value: T) -> T:
        """Returns the kept copy of a JSON value."""
        return self._known.setdefault(json.dumps(value, sort_keys=True), value)

    def images(self, rows: Iterable[SplitRow]) -> FoldImages:
        """Returns the images of a fold from the rows of its split.csv."""
        rows = tuple(rows)
        if rows not in self._known:
            counts = Counter(row.split for row in rows)
            self._known[rows] = FoldImages(rows, counts, {row.file: row.patient for row in rows})
        return self._known[rows]


def _order(record: RunRecord) -> tuple[str, str, int]:
    return record.task, record.place.rpartition("/")[0], record.fold


def _check(run: Run) -> None:
    """Raises `UserError` if a run folder contains JSON that training does not write."""
    for key in ("config", "must_match", *_CARDS):
        if not isinstance(run.config.get(key, {}), dict):
            raise UserError(f"{run.path / CONFIG}: {key} is not an object")
    if type(run.settings.get("seed", 0)) is not int:
        raise UserError(f"{run.path / CONFIG}: the seed {run.settings['seed']!r} is not a whole number")
    if not isinstance(run.config.get("skipped", []), list):
        raise UserError(f"{run.path / CONFIG}: skipped is not a list")


def _record(run: Run, place: str, shared: _Shared) -> RunRecord:
    settings: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    if run.status != "corrupt":
        settings = {sys.intern(key): value for key, value in run.settings.items()}
        facts = {
            sys.intern(key): shared.json(value)
            for key, value in run.config.items()
            if key not in ("config", "must_match", "started")
        }
        match = run.config.get("must_match", {})
        facts |= {"hashes": shared.json({key: match[key] for key in ("data", "weights") if match.get(key)})}
    return RunRecord(
        place, run.task, run.init, run.freeze, run.tag, run.fold, run.status, run.problem, settings, facts
    )  # fmt: skip


def _corrupt(run: Run, place: str, problem: str) -> RunRecord:
    return RunRecord(place, run.task, run.init, run.freeze, run.tag, run.fold, "corrupt", problem, {}, {})


def _score(run: Run, record: RunRecord, shared: _Shared) -> Trial:
    """Scores a finished run. Raises `UserError` if it has no test image."""
    images = shared.images(run.split)
    test, held_out = _part(run.predictions, ("test",), shared), _part(run.predictions, ("val", "test"), shared)
    if not test.files:
        raise UserError(f"{run.path}: predictions.csv has no test image")
    patients = shared.value(patients_of(images, test.files))
    preprocessing = str(run.settings.get("preprocessing", "native"))
    trained = str(run.settings.get("train", "all"))
    condition = Condition(run.freeze, preprocessing, recipe_of(run.tag, preprocessing), trained)
    epoch = run.result.get("epoch")
    return Trial(
        run=record,
        arm=shared.value(Arm(run.init, condition)),
        seed=run.settings.get("seed", 0),
        images=images,
        test=test,
        held_out=held_out,
        patients=patients,
        auc=auc_interval(test.labels, test.probabilities, patients),
        auc_keras=metrics.auc_keras(test.labels, test.probabilities),
        auc_held_out=metrics.auc(held_out.labels, held_out.probabilities),
        scores=scores.secondary_scores(test.labels, test.probabilities),
        epochs=_epochs(run.metrics, shared),
        epoch_kept=epoch if isinstance(epoch, int) else None,
        seconds=number(run.result.get("seconds")),
    )


def _part(predictions: Predictions, splits: tuple[str, ...], shared: _Shared) -> Predictions:
    rows = [row for row, split in enumerate(predictions.splits) if split in splits]
    return replace(
        predictions,
        files=shared.value(tuple(predictions.files[row] for row in rows)),
        labels=predictions.labels[rows],
        splits=shared.value(tuple(predictions.splits[row] for row in rows)),
        probabilities=predictions.probabilities[rows],
        classes=shared.value(predictions.classes),
    )


def _epochs(rows: Iterable[Mapping[str, Any]], shared: _Shared) -> Epochs:
    rows = list(rows)
    phases = shared.value(tuple(str(row.get("phase")) for row in rows))
    curves = {key: np.array([number(row.get(key)) for row in rows], dtype=float) for key in _CURVES}
    return Epochs(phases, curves)
