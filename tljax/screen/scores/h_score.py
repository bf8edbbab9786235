"""H-score (Bao et al. 2019, https://arxiv.org/abs/2212.10082): the part of the features' variance between the classes.

The score is regularised as by Ibrahim et al. 2021 (https://arxiv.org/abs/2110.06893): tr(S_a^-1 (1 - a) B), where B is
the covariance of the class means, and S_a is the covariance of the features, shrunk by a towards a multiple of the
identity. The shrinkage a is chosen as by Ledoit and Wolf (2004). Both covariances are divided by n, so the score is in
0..k - 1. Some code divides one by n and the other by n - 1, or inverts a singular covariance with too small a cut-off;
this gives meaningless values above k - 1.
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
    """Returns the regularised H-score, or with `shrinkage` 0 the original one.

    shrinkage: a, in 0..1; None: chosen as by Ledoit and Wolf.
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
    """Returns the shrinkage of Ledoit & Wolf (2004, doi 10.1016/S0047-259X(03)00096-4), in 0..1.

    points: centred, in any orthogonal coordinates. channels: the number of dimensions of the features.
    """
    count = len(points)
    variances = np.square(points).mean(axis=0)
    covariance = np.square(points.T @ points / count).sum()
    spread = (covariance - variances.sum() ** 2 / channels) / channels
    noise = (np.square(np.square(points).sum(axis=1)).sum() / count - covariance) / (count * channels)
    return float(min(max(noise, 0.0), spread) / spread) if spread > 0 else 0.0  # rounding may make the noise negative
