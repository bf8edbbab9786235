"""Scores of a run's predictions other than the AUC, and the calibration curve.

Labels are class numbers `n` in 0..k-1, probabilities `n k`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from tljax.statistics.estimates import Estimate
from tljax.statistics.metrics import Labels, Probabilities
from tljax.statistics.shares import share_interval

BINS = 10  # of confidence, of equal width


@dataclass(frozen=True)
class CalibrationBin:
    """The predictions of one range of confidence."""

    confidence: float
    """Mean probability of the predicted class."""
    right: Estimate
    """Share of right predictions."""
    predictions: int


def secondary_scores(labels: Labels, probabilities: Probabilities, specificity: float = 0.95) -> dict[str, float]:
    """Returns scores by name, in 0..1.

    `accuracy`: the share of images whose most probable class is the true one.
    `balanced_accuracy`: the mean recall of the classes present.
    `f1`: of the second class; with three classes or more, the mean over the classes present. NaN if two classes are
    known and the second is absent.
    `sensitivity`: at the given specificity, of the second class; with three classes or more, of each class against the
    rest, weighted by prevalence. NaN if there is no positive or no negative image.
    `brier`: the mean squared error of the second class's probability; with three classes or more, summed over classes,
    in 0..2.
    `calibration_error`: see `calibration_error`.
    """
    from sklearn import metrics

    k = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    present, images = np.unique(labels, return_counts=True)
    judged, weights = ([1], [1]) if k == 2 else (present, images)
    undefined: dict[str, Any] = {"zero_division": 0}  # F1 of a class that is never predicted is 0
    f1 = float(metrics.f1_score(labels, predicted, labels=judged, average="macro", **undefined))
    return {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "balanced_accuracy": float(metrics.recall_score(labels, predicted, labels=present, average="macro")),
        "f1": f1 if k > 2 or 1 in present else float("nan"),
        "sensitivity": float(
            np.average([sensitivity(labels == c, probabilities[:, c], specificity) for c in judged], weights=weights)
        ),
        "brier": float(metrics.brier_score_loss(labels, probabilities, labels=range(k), scale_by_half="auto")),
        "calibration_error": calibration_error(labels, probabilities),
    }


def sensitivity(positive: Bool[np.ndarray, " n"], scores: Float[np.ndarray, " n"], specificity: float) -> float:
    """Returns the sensitivity, in 0..1, at the lowest threshold that has at least this specificity.

    NaN if there is no positive or no negative image.
    """
    negatives = np.sort(scores[~positive])
    if not 0 < len(negatives) < len(scores):
        return float("nan")
    threshold = negatives[int(np.ceil(specificity * len(negatives) - 1e-9)) - 1]
    return float(np.mean(scores[positive] > threshold))


def calibration_error(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the expected calibration error in 0..1 (Guo et al. 2017).

    It is the mean absolute difference between confidence and accuracy over ten bins of equal width, weighted by their
    numbers of predictions.
    """
    gap = (probabilities.argmax(axis=1) == labels) - probabilities.max(axis=1)
    return float(np.abs(np.bincount(_bin_of(probabilities), weights=gap, minlength=BINS)).sum() / len(labels))


def calibration_curve(labels: Labels, probabilities: Probabilities, units: Sequence[str]) -> list[CalibrationBin]:
    """Returns the bins of confidence that hold a prediction, in order.

    Args:
        units: the independent unit of each row: its patient, or its file if patients are unknown. Predictions of
            several seeds for one image are rows of one unit and do not count as new images.
    """
    right, confidence, of_row = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1), np.asarray(units)
    bins = _bin_of(probabilities)
    return [
        CalibrationBin(
            float(confidence[here].mean()), share_interval(right[here], of_row[here].tolist()), int(here.sum())
        )
        for here in (bins == number for number in np.unique(bins))
    ]


def _bin_of(probabilities: Probabilities) -> np.ndarray:
    return np.minimum((probabilities.max(axis=1) * BINS).astype(int), BINS - 1)
