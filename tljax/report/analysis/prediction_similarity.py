"""Computes how often two fine-tuned networks are right or wrong on the same images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from tljax.report.analysis.comparisons import ConditionResult
from tljax.report.analysis.tasks import ArmResult
from tljax.report.analysis.trials import patients_of
from tljax.statistics.agreement import Agreement, agreement


@dataclass(frozen=True)
class PredictionSimilarity:
    """Two initialisations on the images of all folds that both share, with the lowest seed of each fold."""

    inits: tuple[str, str]
    """In alphabetical order, whichever is better: the authors' baseline uses the accuracy of ImageNet, the first."""
    test: Agreement
    """On test images."""
    held_out: Agreement | None
    """On validation and test images together, as the paper published it; None where the images differ."""


class _Predicted(NamedTuple):
    """The predicted classes of one initialisation for all folds, ordered by fold and file."""

    files: tuple[str, ...]
    labels: Int[np.ndarray, " n"]
    classes: Int[np.ndarray, " n"]
    patients: tuple[str, ...] | None


def prediction_similarities(arms: Sequence[ArmResult], result: ConditionResult) -> tuple[PredictionSimilarity, ...]:
    """Compares the predictions of every two initialisations under one condition; empty if they share no fold."""
    if not result.folds:
        return ()
    compared = {arm.init: arm for arm in arms if arm.init in result.evidence.aucs}
    test, held_out = (
        {init: _predicted(arm, result.folds, part) for init, arm in compared.items()} for part in ("test", "held_out")
    )
    found = []
    for first, second in combinations(sorted(compared), 2):
        on_test = _agreement(test, first, second)
        if on_test:
            found.append(PredictionSimilarity((first, second), on_test, _agreement(held_out, first, second)))
    return tuple(found)


def _predicted(arm: ArmResult, folds: Sequence[int], part: Literal["test", "held_out"]) -> _Predicted:
    files, labels, classes, patients = [], [], [], []
    known = True
    for fold in folds:
        trial = arm.first_seed[fold]
        predictions = trial.test if part == "test" else trial.held_out
        rows = np.argsort(np.array(predictions.files))
        own = [predictions.files[row] for row in rows]
        groups = patients_of(trial.images, own)
        known = known and groups is not None
        files += own
        patients += groups or ()
        labels.append(predictions.labels[rows])
        classes.append(predictions.probabilities[rows].argmax(axis=1))
    return _Predicted(tuple(files), np.concatenate(labels), np.concatenate(classes), tuple(patients) if known else None)


def _agreement(of: Mapping[str, _Predicted], first: str, second: str) -> Agreement | None:
    one, other = of[first], of[second]
    if one.files != other.files:
        return None
    return agreement(one.labels, one.classes, other.classes, one.patients)
