"""H-score (Bao et al. 2019, https://arxiv.org/abs/2212.10082), regularised (Ibrahim et al. 2021,
https://arxiv.org/abs/2110.06893): how much of the features' variance lies between the classes.

tr(S_a^-1 (1 - a) B), B the covariance of the class means, S_a the covariance of the features shrunk by a towards a
multiple of the identity, a as Ledoit and Wolf (2004) choose it. Both covariances are divided by n: so the score cannot
leave 0..k - 1. Dividing one by n and the other by n - 1, as some code does, or inverting a singular covariance with
too small a cut-off, gives values above k - 1, which mean nothing.
"""

import numpy as np
from jaxtyping import Float

from tljax.screen.geometry import Labels, class_means, isometric
from tljax.screen.scores import Score, checked

TITLE = "H-score"


def bounds(classes: int) -> tuple[float, float]:
    """Returns 0 and k - 1, the rank of the covariance between classes."""
    return 0.0, classes - 1.0


def score(features: Float[np.ndarray, "n d"], labels: Labels, shrinkage: float | None = None) -> Score:
    """Returns the regularised H-score; with `shrinkage` 0 the original one.

    shrinkage: a in 0..1; None: as Ledoit and Wolf choose it.
    """
    points = isometric(checked(features, labels))
    channels = features.shape[1]
    variances = np.square(points).mean(axis=0)  # the covariance is diagonal in these coordinates
    amount = ledoit_wolf(points, channels) if shrinkage is None else shrinkage
    means, counts = class_means(points, labels)
    between = counts @ np.square(means) / len(points)
    shrunk = (1 - amount) * variances + amount * variances.sum() / channels
    return Score(float(((1 - amount) * between / shrunk).sum()), details={"shrinkage": amount})


def ledoit_wolf(points: Float[np.ndarray, "n r"], channels: int) -> float:
    """Returns the shrinkage of Ledoit & Wolf (2004, doi 10.1016/S0047-259X(03)00096-4) of centred points in `channels`
    dimensions, in whatever coordinates."""
    count = len(points)
    variances = np.square(points).mean(axis=0)
    covariance = np.square(points.T @ points / count).sum()
    spread = (covariance - variances.sum() ** 2 / channels) / channels
    noise = (np.square(np.square(points).sum(axis=1)).sum() / count - covariance) / (count * channels)
    return float(min(noise, spread) / spread) if spread > 0 else 0.0
