"""Linear probe: the AUC on test images of a linear classifier on the frozen features.

The classifier is an L2-regularised logistic regression, whose strength is chosen within the training part of each fold.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer

from tljax.datasets.folds import Fold
from tljax.screen import probe
from tljax.screen.geometry import Labels
from tljax.screen.scores import Score, checked
from tljax.statistics import metrics

TITLE = "linear probe (AUC)"


def bounds(classes: int) -> tuple[float, float]:
    """Returns the bounds of an AUC."""
    return 0.0, 1.0


def score(
    features: Float[np.ndarray, "n d"],
    labels: Labels,
    seed: int = 0,
    *,
    folds: Sequence[Fold],
    groups: Integer[np.ndarray, " n"] | None = None,
) -> Score:
    """Returns the mean over folds of the AUC on the test part, of probes fitted to the training part.

    folds: the validation parts are not used. groups: one number per image; images with the same number stay together
    within the training part. seed: seed of the inner folds. The details hold the chosen `strengths`, and the test
    `probabilities` by fold.
    """
    points = checked(features, labels)
    found = probe.fit(points, labels, [fold.train for fold in folds], groups, seed=seed)
    tested = [found.probabilities[number, fold.test] for number, fold in enumerate(folds)]
    aucs = [metrics.auc(labels[fold.test], each) for fold, each in zip(folds, tested, strict=True)]
    return Score(float(np.mean(aucs)), tuple(aucs), {"strengths": found.strengths.tolist(), "probabilities": tested})
