"""PARC (Bolya et al. 2021, https://arxiv.org/abs/2111.06977): whether images of one class have similar features.

The score is Spearman's correlation, over all pairs of images, between the distance of their features (1 - Pearson's
correlation of the standardised features) and that of their labels (1 - Pearson's correlation of their one-hot vectors).
"""

import numpy as np
from jaxtyping import Float

from tljax.screen.geometry import Labels, isometric, positions
from tljax.screen.scores import Score, checked

TITLE = "PARC"
DIMENSIONS = 32  # number of principal components, as the authors recommend
IMAGES = 3000  # largest number of images, because the number of pairs grows with its square


def bounds(classes: int) -> tuple[float, float]:
    """Returns the bounds of a correlation. (The authors state it in percent.)"""
    return -1.0, 1.0


def score(
    features: Float[np.ndarray, "n d"], labels: Labels, dimensions: int | None = DIMENSIONS, seed: int = 0
) -> Score:
    """Returns Spearman's correlation of the two distances.

    dimensions: number of principal components that replace the features; None: the features themselves. seed: seed of
    the draw of images, if there are more than 3,000.
    """
    from scipy.stats import rankdata

    points = checked(features, labels)
    if len(points) > IMAGES:
        drawn = np.sort(np.random.default_rng(seed).choice(len(points), IMAGES, replace=False))
        points, labels = points[drawn], labels[drawn]
    if dimensions is not None:
        points = _principal(points, dimensions)
    spread = points.std(axis=0)
    points = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1)
    points = points - points.mean(axis=1, keepdims=True)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points = points / np.where(length > 0, length, 1)
    pairs = np.triu_indices(len(points), 1)
    distances = rankdata((1 - points @ points.T)[pairs])
    position = positions(labels)
    unlike = rankdata((position[:, None] != position[None, :])[pairs])
    distances, unlike = distances - distances.mean(), unlike - unlike.mean()
    size = np.sqrt(np.square(distances).sum() * np.square(unlike).sum())
    return Score(float(distances @ unlike / size) if size > 0 else 0.0)


def _principal(points: Float[np.ndarray, "n d"], dimensions: int) -> Float[np.ndarray, "n p"]:
    """Returns principal components whose largest loading is positive, as in scikit-learn: PARC depends on the signs."""
    found = isometric(points)[:, :dimensions]
    loadings = (points - points.mean(axis=0)).T @ found
    largest = loadings[np.abs(loadings).argmax(axis=0), np.arange(loadings.shape[1])]
    return found * np.sign(largest)
