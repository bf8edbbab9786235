"""LogME (You et al. 2021, https://proceedings.mlr.press/v139/you21b.html): the evidence of a Bayesian linear model.

Each class against the rest is regressed on the features. The precisions of weights and noise maximise the evidence, by
the fixed-point iteration of the extended paper (https://arxiv.org/abs/2110.10545). The score is the logarithm of this
evidence per image, averaged over classes. If there are fewer images than features, the published code omits the
directions without data from the determinant, which adds (d - n) / (2 n) log alpha. Here they count, as in the paper.
"""

import numpy as np
from jaxtyping import Float

from tljax.screen.geometry import Labels
from tljax.screen.scores import Score, checked

TITLE = "LogME"
ITERATIONS, SETTLED, EPSILON = 11, 1e-3, 1e-5  # as published


def bounds(classes: int) -> tuple[float, float]:
    """Returns minus and plus infinity, as the logarithm of a density has no bounds."""
    return -np.inf, np.inf


def score(features: Float[np.ndarray, "n d"], labels: Labels) -> Score:
    """Returns the mean over classes of the maximal log evidence per image."""
    points = checked(features, labels)
    count, channels = points.shape
    if count < channels:
        sigma, left = np.linalg.eigh(points @ points.T)
        known = max(sigma[-1], 0) * 1e-14 < sigma
        sigma, left = sigma[known], left[:, known]
    else:
        sigma, right = np.linalg.eigh(points.T @ points)
        known = max(sigma[-1], 0) * 1e-14 < sigma
        sigma = sigma[known]
        left = points @ right[:, known] / np.sqrt(sigma)
    evidences = [_evidence(left, sigma, (labels == c).astype(np.float64), channels) for c in np.unique(labels)]
    return Score(float(np.mean(evidences)))


def _evidence(
    left: Float[np.ndarray, "n r"], sigma: Float[np.ndarray, " r"], target: Float[np.ndarray, " n"], channels: int
) -> float:
    """Returns the maximal log evidence per image of one target.

    left, sigma: left singular vectors and squared singular values of the features.
    """
    count = len(target)
    squared = np.square(left.T @ target)
    outside = max(np.square(target).sum() - squared.sum(), 0.0)  # the part of the target that is orthogonal to features
    alpha = beta = 1.0
    for _ in range(ITERATIONS):
        ratio = alpha / beta
        effective = (sigma / (sigma + ratio)).sum()
        weights = (sigma * squared / (ratio + sigma) ** 2).sum()
        residual = (squared / (1 + sigma / ratio) ** 2).sum() + outside
        alpha, beta = effective / (weights + EPSILON), (count - effective) / (residual + EPSILON)
        if abs(alpha / beta - ratio) / ratio <= SETTLED:
            break
    determinant = np.log(alpha + beta * sigma).sum() + (channels - len(sigma)) * np.log(alpha)
    likelihood = count * np.log(beta / (2 * np.pi)) - beta * residual
    return float((likelihood + channels * np.log(alpha) - alpha * weights - determinant) / (2 * count))
