"""Fits linear probes: logistic regressions on frozen features, whose strength is chosen within the training images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Integer

from tljax.core.errors import UserError
from tljax.screen import logistic
from tljax.screen.geometry import Labels, isometric

STRENGTHS = 10.0 ** np.arange(-1, 5)  # inverse penalties (scikit-learn's C) on features of mean squared length 1
USUAL = 10.0  # the strength if none can be chosen
INNER = 4  # number of folds within the training images
TOLERANCE = 1e-9  # nats
MEMORY = 400 << 20  # largest number of bytes of log-probabilities in one program
BUCKET = 64  # widths are padded to a multiple of this, so that networks share a compiled program

Rows = Int[np.ndarray, " _"]
Groups = Integer[np.ndarray, " n"] | None


@dataclass(frozen=True)
class Probes:
    """The predictions of probes fitted to `t` sets of training images."""

    probabilities: Float64[np.ndarray, "t n k"]
    """Of all images."""
    strengths: Float64[np.ndarray, " t"]
    """The strength chosen for each set."""


def fit(
    features: Float[np.ndarray, "n d"],
    labels: Labels,
    sets: Sequence[Rows],
    groups: Groups = None,
    seed: int = 0,
    strengths: Sequence[float] | None = None,
    choices: Float[np.ndarray, " s"] = STRENGTHS,
    tolerance: float = TOLERANCE,
) -> Probes:
    """Fits a probe to each set of rows; all strengths and inner folds are fitted in one program on the device.

    The features of a set are divided by their root mean square distance from their mean, which does not depend on
    rotations of the features. The chosen strength has the smallest log loss over the inner folds, whose parts share no
    group. If a class is too small to be divided, the strength is 10.

    Args:
        labels: class numbers from 0.
        groups: images with the same number stay in the same part of an inner fold.
        seed: seed of the inner folds.
        strengths: the strength for each set; None: it is chosen from `choices`, which are in rising order.
        tolerance: largest difference between the loss of a probe and its minimum, in nats.

    Raises:
        UserError: all features are equal, or all images of a set have one class.
    """
    points = isometric(features)
    if not points.shape[1]:
        raise UserError("all images have the same features, so no classifier can distinguish them")
    padded = np.pad(points, ((0, 0), (0, -points.shape[1] % BUCKET)))
    targets = _targets(labels)
    numbers = len(labels) * len(choices) * (1 + INNER) * (targets.shape[1] + 1)
    together = max(MEMORY // (8 * numbers), 1)  # sets in one program
    probabilities, chosen = [], []
    for start in range(0, len(sets), together):
        few = sets[start : start + together]
        known = None if strengths is None else np.array(strengths[start : start + together], float)
        inner = [inner_folds(labels, rows, groups, seed) if known is None else () for rows in few]
        fitted = [[rows, *(part for part, _ in parts)] for rows, parts in zip(few, inner, strict=True)]
        masks = np.array([np.isin(np.arange(len(labels)), rows) for each in fitted for rows in each])
        scales = np.array([_scale(points[each[0]]) for each in fitted for _ in each])
        grid = choices[:, None] if known is None else known[None]
        with jax.enable_x64(True):
            found = np.asarray(_predicted(*map(jnp.asarray, (padded, targets, masks, scales / grid, tolerance))))
        position = 0
        for number, parts in enumerate(inner):
            problems = found[:, :, position : position + 1 + len(parts)]
            best = 0
            if known is None:
                best = _best(parts, labels, problems) if parts else int(np.abs(choices - USUAL).argmin())
            chosen.append(choices[best] if known is None else known[number])
            probabilities.append(np.exp(problems[best, :, 0]))
            position += 1 + len(parts)
    return Probes(np.array(probabilities), np.array(chosen, float))


def inner_folds(labels: Labels, rows: Rows, groups: Groups, seed: int) -> tuple[tuple[Rows, Rows], ...]:
    """Divides training rows into pairs (fitted, held out), stratified by class and grouped.

    Returns no pair if a class is too small. Raises UserError if all rows have one class.
    """
    own = None if groups is None else tuple(groups[rows].tolist())
    return _divide(tuple(rows.tolist()), tuple(labels[rows].tolist()), own, seed)


@cache  # a screening needs the same folds for every layer of every network, and dividing groups is slow
def _divide(
    rows: tuple[int, ...], labels: tuple[int, ...], groups: tuple | None, seed: int
) -> tuple[tuple[Rows, Rows], ...]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    whole, classes = np.array(rows), [np.flatnonzero(np.array(labels) == c) for c in sorted(set(labels))]
    if len(classes) < 2:
        raise UserError(f"all {len(rows)} training images have one class, so there is nothing to classify")
    own = None if groups is None else np.array(groups)
    count = min(INNER, *(len(members) if own is None else len(np.unique(own[members])) for members in classes))
    if count < 2:
        return ()
    splitter = (StratifiedKFold if own is None else StratifiedGroupKFold)(count, shuffle=True, random_state=seed)
    return tuple((whole[fitted], whole[held_out]) for fitted, held_out in splitter.split(whole, labels, own))


def _scale(points: Float64[np.ndarray, "m r"]) -> float:
    """Returns the mean squared distance of points from their mean."""
    return float(np.square(points - points.mean(axis=0)).sum() / len(points))


def _targets(labels: Labels) -> Float64[np.ndarray, "n k"]:
    """Returns the one-hot labels; for two classes, only the column of the second class."""
    classes = int(labels.max()) + 1
    return (labels[:, None] == (np.array([1]) if classes == 2 else np.arange(classes))).astype(np.float64)


def _best(parts: Sequence[tuple[Rows, Rows]], labels: Labels, found: Float64[np.ndarray, "s n p c"]) -> int:
    """Returns the index of the strength with the smallest log loss on the held-out parts."""
    losses = [
        -found[:, held_out, number, labels[held_out]].sum(axis=1) for number, (_, held_out) in enumerate(parts, start=1)
    ]
    return int(np.sum(losses, axis=0).argmin())


@jax.jit
def _predicted(
    points: Float[Array, "n r"],
    targets: Float[Array, "n k"],
    masks: Bool[Array, "p n"],
    penalties: Float[Array, "s p"],
    tolerance: Float[Array, ""],
) -> Float[Array, "s n p c"]:
    found = logistic.solve(points, targets, masks, penalties, tolerance)
    products = jnp.einsum("nr,srpk->snpk", points, found.weights, precision=jax.lax.Precision.HIGHEST)
    return logistic.log_probabilities(products + found.bias[:, None])
