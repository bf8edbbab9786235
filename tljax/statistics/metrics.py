"""Scores of a network's predictions in plain NumPy, fast enough to be computed after every epoch.

Labels are class numbers `n` in 0..k-1; probabilities are `n k`, rows summing to one.
"""

import numpy as np
from jaxtyping import Bool, Float, Integer

Labels = Integer[np.ndarray, "n"]
Probabilities = Float[np.ndarray, "n k"]


def auroc(positive: Bool[np.ndarray, " n"], scores: Float[np.ndarray, " n"]) -> float:
    """Returns the area under the ROC curve in 0..1; NaN if there is no positive or no negative image.

    It is the probability that a positive image has a higher score than a negative one; a tie counts as half.
    """
    positives = np.count_nonzero(positive)
    negatives = len(positive) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, value, count = np.unique(scores, return_inverse=True, return_counts=True)
    midranks = (np.cumsum(count) - (count - 1) / 2)[value]
    wins = midranks[positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def auc(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the AUC in 0..1 as scikit-learn computes it; NaN if only one class is present.

    With two classes, it is the AUROC of the second class. With three or more, it is the mean of the one-vs-rest AUROCs,
    weighted by prevalence; classes absent from `labels` are left out.
    """
    if probabilities.shape[1] == 2:
        return auroc(labels == 1, probabilities[:, 1])
    present, images = np.unique(labels, return_counts=True)
    return float(np.average([auroc(labels == c, probabilities[:, c]) for c in present], weights=images))


def auc_keras(labels: Labels, probabilities: Probabilities, thresholds: int = 200) -> float:
    """Returns the AUC in 0..1 as Keras `AUC()` computes it.

    All entries of the one-hot labels are pooled (micro-average), and the area is a sum of trapezoids over evenly spaced
    thresholds. The first and last thresholds are just outside 0..1, so all entries are above the first and none above
    the last.
    """
    one_hot = np.eye(probabilities.shape[1], dtype=bool)[labels].ravel()
    scores = probabilities.astype(np.float32).ravel()
    highest_passed = np.maximum(np.ceil(scores * np.float32(thresholds - 1)) - 1, 0).astype(int)

    def share_above(entries: Bool[np.ndarray, " nk"]) -> Float[np.ndarray, " t"]:
        passed = np.bincount(highest_passed[entries], minlength=thresholds)[::-1].cumsum()[::-1]
        return passed / np.count_nonzero(entries)

    return float(-np.trapezoid(share_above(one_hot), share_above(~one_hot)))


def accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the share of images whose most probable class is the true one, in 0..1."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Returns the mean cross-entropy in nats; a probability of 0 is replaced by the smallest normal float32."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.maximum(right, np.finfo(np.float32).tiny))))
