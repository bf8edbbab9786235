"""GBC (Pandy et al. 2022, https://arxiv.org/abs/2111.12780): the overlap of the classes, each modelled as a Gaussian.

The score is minus the sum of the Bhattacharyya coefficients exp(-D_B) over all pairs of classes, on the first 64
principal components. As in the authors' code, each pair counts in both orders.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from tljax.screen.geometry import Labels, isometric
from tljax.screen.scores import Score, checked

TITLE = "GBC"
DIMENSIONS = 64
LEAST_VARIANCE = 1e-4  # as published


def bounds(classes: int) -> tuple[float, float]:
    """Returns -k (k - 1), the value if all classes are equal, and 0."""
    return -classes * (classes - 1.0), 0.0


def score(
    features: Float[np.ndarray, "n d"],
    labels: Labels,
    gaussian: Literal["spherical", "diagonal"] = "spherical",
    dimensions: int | None = DIMENSIONS,
) -> Score:
    """Returns minus the summed Bhattacharyya coefficients of the classes.

    gaussian: `spherical` has one variance per class, `diagonal` one per class and dimension. In the determinant of a
    spherical Gaussian, the authors' code counts the variance once; here it counts once per dimension, as in the paper.
    dimensions: number of principal components that replace the features; None: the features themselves.
    """
    points = checked(features, labels)
    if dimensions is not None:
        points = isometric(points)[:, :dimensions]
    parts = [points[labels == c] for c in np.unique(labels)]
    means = [part.mean(axis=0) for part in parts]
    variances = [np.maximum(part.var(axis=0), LEAST_VARIANCE) for part in parts]
    if gaussian == "spherical":
        variances = [np.full_like(variance, variance.mean()) for variance in variances]
    overlap = 0.0
    for one in range(len(parts)):
        for other in range(one):
            overlap += np.exp(-distance(means[one], means[other], variances[one], variances[other]))
    return Score(float(-2 * overlap))


def distance(
    mean1: Float[np.ndarray, " d"],
    mean2: Float[np.ndarray, " d"],
    variance1: Float[np.ndarray, " d"],
    variance2: Float[np.ndarray, " d"],
) -> float:
    """Returns the Bhattacharyya distance of two Gaussians with diagonal covariances."""
    average = (variance1 + variance2) / 2
    logs = np.log(average) - (np.log(variance1) + np.log(variance2)) / 2
    return float((np.square(mean1 - mean2) / average).sum() / 8 + logs.sum() / 2)
