"""Transforms features to few coordinates, and computes class means."""

import weakref

import numpy as np
from jaxtyping import Float, Float64, Integer

RANK = 1e-12  # directions with an eigenvalue below this share of the largest one are dropped
POINT = 1e-20  # share of the squared distances within the classes, below which each class is a point but for rounding

Labels = Integer[np.ndarray, " n"]


_last: list[tuple[weakref.ref, Float64[np.ndarray, "n r"]]] = []  # the last result, as several scores need the same one


def isometric(features: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n r"]:
    """Returns the principal components of the features, float64, centred; do not change them in place.

    All distances between points are kept. The columns are orthogonal, the longest comes first, and `r` is the rank: at
    most n - 1 and d, and 0 if all points are equal. A quantity that depends only on distances and linear maps, such as
    a penalty on the length of weights, has the same value in these coordinates.
    """
    if _last and _last[0][0]() is features:
        return _last[0][1]
    points = features.astype(np.float64)
    points -= points.mean(axis=0)
    count, channels = points.shape
    values, vectors = np.linalg.eigh(points @ points.T if count < channels else points.T @ points)
    kept = values > max(values[-1], np.finfo(np.float64).tiny) * RANK
    values, vectors = values[kept][::-1], vectors[:, kept][:, ::-1]
    found = vectors * np.sqrt(values) if count < channels else points @ vectors
    _last[:] = [(weakref.ref(features), found)]
    return found


def class_means(
    points: Float[np.ndarray, "n r"], labels: Labels
) -> tuple[Float[np.ndarray, "k r"], Integer[np.ndarray, " k"]]:
    """Returns the mean of each class that is present, in the order of the class numbers, and its number of images."""
    _, position, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), points.shape[1]), points.dtype)
    np.add.at(sums, position, points)
    return sums / counts[:, None], counts


def within_classes(points: Float[np.ndarray, "n r"], labels: Labels) -> Float[np.ndarray, "n r"]:
    """Returns the points minus the mean of their class."""
    means, _ = class_means(points, labels)
    return points - means[positions(labels)]


def are_points(points: Float[np.ndarray, "n r"], labels: Labels) -> bool:
    """Returns whether all images of each class have the same features. points: centred."""
    return bool(np.square(within_classes(points, labels)).sum() <= POINT * np.square(points).sum())


def positions(labels: Labels) -> Labels:
    """Returns the class numbers, renumbered from 0 without gaps."""
    return np.unique(labels, return_inverse=True)[1]
