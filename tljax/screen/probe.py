"""Linear probes: logistic regressions on frozen features, their strength chosen inside the images they see."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64, Int, Integer

from tljax.core.errors import UserError
from tljax.screen import logistic
from tljax.screen.geometry import Labels, isometric

STRENGTHS = 10.0 ** np.arange(-1, 5)  # inverse penalties (scikit-learn's C) on features of mean squared length 1
USUAL = 2  # which of them where none can be chosen: 10
INNER = 4  # folds inside the training images
TOLERANCE = 1e-9  # nats
BUCKET = 64  # coordinates are padded to a multiple, so that networks share a compiled program

Rows = Int[np.ndarray, " _"]


@dataclass(frozen=True)
class Probes:
    """Probes fitted to `t` sets of training images, and what they say of all images."""

    probabilities: Float64[np.ndarray, "t n k"]
    strengths: Float64[np.ndarray, " t"]
    """Chosen for each set."""


def fit(
    features: Float[np.ndarray, "n d"],
    labels: Labels,
    sets: Sequence[Rows],
    groups: Integer[np.ndarray, " n"] | None = None,
    classes: int | None = None,
    seed: int = 0,
) -> Probes:
    """Fits a probe to each set of rows, all of them, for all strengths and inner folds, in one program on the device.

    The features of a set are divided by their root mean square distance from their mean over the set, which no rotation
    of the features changes. The strength is that with the least log loss over the inner folds, whose parts share no
    group; where a class is too small to be divided, it is 10.

    Args:
        labels: class numbers from 0. classes: how many there are; None: as the labels say.
        groups: what must stay together, one number per image.
        seed: of the inner folds.

    Raises:
        UserError: all features are equal, or a set lacks a class.
    """
    classes = classes or int(labels.max()) + 1
    points = isometric(features)
    if not points.shape[1]:
        raise UserError("all images have the same features: there is nothing to distinguish them by")
    inner = [list(inner_folds(labels, rows, groups, seed)) for rows in sets]
    masks, scales = [], []
    for rows, parts in zip(sets, inner, strict=True):
        for fitted in (rows, *(part for part, _ in parts)):
            masks.append(np.isin(np.arange(len(labels)), fitted))
            scales.append(np.square(points[rows] - points[rows].mean(axis=0)).sum() / len(rows))
    targets = labels[:, None] == (np.array([1]) if classes == 2 else np.arange(classes))
    penalties = np.array(scales)[None, :] / STRENGTHS[:, None]
    found = _log_probabilities(points, targets, np.array(masks), penalties)
    chosen, position, probabilities = [], 0, []
    for parts in inner:
        best = USUAL
        if parts:
            loss = np.zeros(len(STRENGTHS))
            for number, (_, held_out) in enumerate(parts, start=1):
                loss -= found[:, held_out, position + number, labels[held_out]].sum(axis=1)
            best = int(loss.argmin())
        chosen.append(STRENGTHS[best])
        probabilities.append(np.exp(found[best, :, position]))
        position += 1 + len(parts)
    return Probes(np.array(probabilities), np.array(chosen))


def inner_folds(
    labels: Labels, rows: Rows, groups: Integer[np.ndarray, " n"] | None, seed: int
) -> Iterator[tuple[Rows, Rows]]:
    """Divides training rows into (fitted, held out), stratified and grouped; nothing where a class is too small."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    own = None if groups is None else groups[rows]
    units = [len(rows_of) if own is None else len(np.unique(own[rows_of])) for rows_of in _by_class(labels[rows])]
    if len(units) < 2:
        raise UserError(f"the {len(rows)} training images are of one class: there is nothing to distinguish")
    count = min(INNER, *units)
    if count < 2:
        return
    splitter = (StratifiedKFold if own is None else StratifiedGroupKFold)(count, shuffle=True, random_state=seed)
    for fitted, held_out in splitter.split(rows, labels[rows], own):
        yield rows[fitted], rows[held_out]


def _by_class(labels: Labels) -> list[Rows]:
    return [np.flatnonzero(labels == c) for c in np.unique(labels)]


def _log_probabilities(
    points: Float64[np.ndarray, "n r"],
    targets: Bool[np.ndarray, "n k"],
    masks: Bool[np.ndarray, "p n"],
    penalties: Float64[np.ndarray, "s p"],
) -> Float64[np.ndarray, "s n p c"]:
    padded = np.pad(points, ((0, 0), (0, -points.shape[1] % BUCKET)))
    with jax.enable_x64(True):
        return np.asarray(
            _fitted(jnp.asarray(padded), jnp.asarray(targets, jnp.float64), jnp.asarray(masks), jnp.asarray(penalties))
        )


@jax.jit
def _fitted(
    points: Float[Array, "n r"], targets: Float[Array, "n k"], masks: Bool[Array, "p n"], penalties: Float[Array, "s p"]
) -> Float[Array, "s n p c"]:
    found = logistic.solve(points, targets, masks, penalties, jnp.asarray(TOLERANCE, points.dtype))
    logits = jnp.einsum("nr,srpk->snpk", points, found.weights, precision=jax.lax.Precision.HIGHEST)
    return logistic.log_probabilities(logits + found.bias[:, None])
