"""Nearest neighbours: the AUC on test images of a classifier by cosine similarity to training images.

The probability of a class is its share among the k nearest training images. The number k is chosen within the training
part, where each image is predicted from images of other groups.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Integer

from tljax.datasets.folds import Fold
from tljax.screen.geometry import Labels
from tljax.screen.scores import Score, checked
from tljax.statistics import metrics

TITLE = "nearest neighbours (AUC)"
NUMBERS = (1, 3, 5, 10, 20, 50, 100)
BLOCK = 1024  # number of images that are compared with all others at once


def bounds(classes: int) -> tuple[float, float]:
    """Returns the bounds of an AUC."""
    return 0.0, 1.0


def score(
    features: Float[np.ndarray, "n d"],
    labels: Labels,
    *,
    folds: Sequence[Fold],
    groups: Integer[np.ndarray, " n"] | None = None,
) -> Score:
    """Returns the mean over folds of the AUC on the test part, with neighbours from the training part.

    folds: the validation parts are not used. groups: one number per image; images with the same number are no
    neighbours when k is chosen. The details hold the chosen k.
    """
    points = checked(features, labels)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points = points / np.where(length > 0, length, 1)
    groups = np.arange(len(labels)) if groups is None else groups
    classes = int(labels.max()) + 1
    aucs, chosen = [], []
    for fold in folds:
        inside = neighbours(points, fold.train, fold.train, groups)
        numbers = [k for k in NUMBERS if k <= inside.shape[1]]
        scored = [metrics.auc(labels[fold.train], shares(labels[inside], k, classes)) for k in numbers]
        chosen.append(numbers[int(np.nanargmax(scored))])
        nearest = neighbours(points, fold.test, fold.train, None)
        aucs.append(metrics.auc(labels[fold.test], shares(labels[nearest], chosen[-1], classes)))
    return Score(float(np.mean(aucs)), tuple(aucs), {"k": chosen})


def neighbours(
    points: Float[np.ndarray, "n d"],
    queries: Int[np.ndarray, " q"],
    pool: Int[np.ndarray, " m"],
    groups: Integer[np.ndarray, " n"] | None,
) -> Int[np.ndarray, "q k"]:
    """Returns the rows of `pool` that are nearest to each query, nearest first, at most as many as `NUMBERS` needs.

    groups: if given, rows of the query's own group, including the query itself, are left out.
    """
    largest = 0 if groups is None else np.unique(groups[pool], return_counts=True)[1].max()
    count = max(min(NUMBERS[-1], len(pool) - largest), 1)
    found = []
    for start in range(0, len(queries), BLOCK):
        rows = queries[start : start + BLOCK]
        similarity = points[rows] @ points[pool].T
        if groups is not None:
            similarity[groups[rows][:, None] == groups[pool][None, :]] = -np.inf
        found.append(pool[np.argsort(-similarity, axis=1, kind="stable")[:, :count]])
    return np.concatenate(found)


def shares(nearest: Integer[np.ndarray, "q m"], k: int, classes: int) -> Float[np.ndarray, "q c"]:
    """Returns the share of each class among the labels of the first `k` neighbours."""
    return np.stack([(nearest[:, :k] == c).mean(axis=1) for c in range(classes)], axis=1)
