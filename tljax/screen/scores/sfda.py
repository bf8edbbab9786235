"""SFDA (Shao et al. 2022, https://arxiv.org/abs/2207.03036): how well a self-challenging Fisher discriminant does.

A discriminant with a regularised scatter within classes gives the probability of each image's class. The lower this
probability is, the further the image is moved towards the other classes (confidence mixing). A second discriminant is
fitted to the result, and the score is its mean probability of the right class. If there are fewer images than features
and the features are large, the regularisation vanishes, and the score is 1 for any features. It is also 1, its limit,
if all images of each class have the same features.
"""

import numpy as np
from jaxtyping import Float

from tljax.screen.geometry import Labels, are_points, class_means, isometric, positions, within_classes
from tljax.screen.scores import Score, checked

TITLE = "SFDA"
STRENGTH, LEAST = 5.0, 1e-10  # of the regularisation, as published


def bounds(classes: int) -> tuple[float, float]:
    """Returns the bounds of a mean probability."""
    return 0.0, 1.0


def score(features: Float[np.ndarray, "n d"], labels: Labels) -> Score:
    """Returns the mean probability of the right class by the second discriminant."""
    raw = checked(features, labels)
    points, position = isometric(raw), positions(labels)
    if are_points(points, labels):
        return Score(1.0)
    shrinkage = _shrinkage(raw, points, labels)
    sure = np.exp(_probabilities(points, labels, shrinkage, raw.shape[1]))  # softened, as published
    sure = (sure / sure.sum(axis=1, keepdims=True))[np.arange(len(position)), position][:, None]
    means, _ = class_means(points, labels)
    others = (means.sum(axis=0) - means) / (len(means) - 1)
    mixed = sure * points + (1 - sure) * others[position]
    found = _probabilities(mixed, labels, shrinkage, raw.shape[1])
    return Score(float(found[np.arange(len(position)), position].mean()), details={"shrinkage": shrinkage})


def _shrinkage(raw: Float[np.ndarray, "n d"], points: Float[np.ndarray, "n r"], labels: Labels) -> float:
    """Returns exp(-5 s), where s is the largest eigenvalue of the scatter within classes, by three power iterations.

    As in the published code, the iterations start from the row sums of the d x d scatter, which are also a matrix
    product in the coordinates of `points`.
    """
    within = within_classes(points, labels)
    sums = (raw - raw.mean(axis=0)).sum(axis=1)  # for each image, the product with a vector of ones
    ones = points.T @ sums / np.square(points).sum(axis=0)

    def scatter(vector: Float[np.ndarray, " r"]) -> Float[np.ndarray, " r"]:
        return within.T @ (within @ vector) / len(within)

    x = scatter(ones)
    y = x
    for _ in range(3):
        y = _unit(scatter(x))
        x = _unit(scatter(y))
    return float(max(np.exp(-STRENGTH * (x @ scatter(y))), LEAST))


def _unit(vector: Float[np.ndarray, " r"]) -> Float[np.ndarray, " r"]:
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else vector


def _probabilities(
    points: Float[np.ndarray, "n r"], labels: Labels, shrinkage: float, channels: int
) -> Float[np.ndarray, "n k"]:
    """Returns class probabilities by a linear discriminant with a scatter shrunk towards a multiple of the identity."""
    from scipy.special import softmax

    within = within_classes(points, labels)
    scatter = within.T @ within / len(points)
    shrunk = (1 - shrinkage) * scatter + shrinkage * np.trace(scatter) / channels * np.eye(len(scatter))
    means, counts = class_means(points, labels)
    directions = np.linalg.solve(shrunk, means.T)  # r k
    offsets = -0.5 * np.einsum("kr,rk->k", means, directions) + np.log(counts / counts.sum())
    return softmax(points @ directions + offsets, axis=1)
