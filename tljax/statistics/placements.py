"""Placements: what each image and each patient contributes to an AUC and to its variance.

The placement of an image is the share of the images of the other class that the network ranks on the right side of it;
a tie counts as half. The mean of the placements of either class is the AUC, and their spread gives DeLong's variance
(DeLong, DeLong & Clarke-Pearson 1988, computed from midranks as in Sun & Xu 2014).

Labels are class numbers `n` in 0..k-1, probabilities `n k`. With two classes there is one AUC, that of the second
class. With three or more, each class present is compared with the rest, weighted by its share of the images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from scipy import stats

from tljax.statistics.metrics import Labels, Probabilities

Units = Integer[np.ndarray, "n"]


class Placements(NamedTuple):
    """The placements of one class against the rest."""

    weight: float
    """Of this class in the AUC; the weights of all classes sum to 1."""
    sides: tuple[tuple[Integer[np.ndarray, " m"], Float[np.ndarray, " m"]], ...]
    """The images of the class, then all others: their rows and their placements, in 0..1."""


class Influence(NamedTuple):
    """The AUC of one network on one fold, and what each patient adds to its error.

    The squares of `added` sum to DeLong's variance. For two networks on the same images, the squares of the difference
    of both `added` sum to the variance of the difference of the AUCs.
    """

    auc: float
    added: Float[np.ndarray, " u"]


def units_of(labels: Labels, patients: Sequence[str] | None) -> Units:
    """Returns the number of each image's unit of resampling, 0..u-1: its patient, or the image if None is given."""
    return np.arange(len(labels)) if patients is None else np.unique(np.asarray(patients), return_inverse=True)[1]


def placements(labels: Labels, probabilities: Probabilities) -> list[Placements]:
    """Returns the placements of every class that has an AUC."""
    classes, images = ([1], [1]) if probabilities.shape[1] == 2 else np.unique(labels, return_counts=True)
    found = []
    for c, weight in zip(classes, np.array(images) / np.sum(images), strict=True):
        positive, scores = labels == c, probabilities[:, c]
        midranks = stats.rankdata(scores)
        sides = []
        for side, sign in ((positive, 1), (~positive, -1)):
            outranked = (midranks[side] - stats.rankdata(scores[side])) / max((~side).sum(), 1)
            sides.append((np.flatnonzero(side), outranked if sign == 1 else 1 - outranked))
        found.append(Placements(float(weight), tuple(sides)))
    return found


def influence_of(of_classes: Sequence[Placements], units: Units) -> Influence:
    """Returns the AUC and the influence of each unit. The images of a unit count together (Obuchowski 1997)."""
    auc, added = 0.0, np.zeros(units.max() + 1)
    for of_class in of_classes:
        auc += of_class.weight * float(of_class.sides[0][1].mean())
        for rows, values in of_class.sides:
            count = len(np.unique(units[rows]))
            scale = of_class.weight * (np.sqrt(count / max(count - 1, 1)) / len(rows))
            added += scale * np.bincount(units[rows], weights=values - values.mean(), minlength=len(added))
    return Influence(auc, added)
