"""TransRate (Huang et al. 2022, https://arxiv.org/abs/2106.09362): information shared by the features and the labels.

The score is R(Z) - sum_c n_c / n R(Z_c), where R(Z) = 1/2 log det(I + Z^T Z / (n eps^2)) is the coding rate of the
centred features. As in the authors' code, the features of each image are scaled to unit length.
"""

import numpy as np
from jaxtyping import Float

from tljax.screen.geometry import Labels
from tljax.screen.scores import Score, checked

TITLE = "TransRate"
DISTORTION = 1e-4  # eps squared


def bounds(classes: int) -> tuple[float, float]:
    """Returns 0 and infinity: the difference is not negative, because the coding rate is concave."""
    return 0.0, np.inf


def score(features: Float[np.ndarray, "n d"], labels: Labels, distortion: float = DISTORTION) -> Score:
    """Returns the difference of the coding rates, in nats. distortion: eps squared."""
    points = checked(features, labels)
    points = points - points.mean(axis=0)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points = points / np.where(length > 0, length, 1)
    within = sum(np.mean(labels == c) * coding_rate(points[labels == c], distortion) for c in np.unique(labels))
    return Score(max(float(coding_rate(points, distortion) - within), 0.0))


def coding_rate(points: Float[np.ndarray, "n d"], distortion: float) -> float:
    """Returns 1/2 log det(I + Z^T Z / (n distortion)), computed from the smaller of Z^T Z and Z Z^T."""
    count, channels = points.shape
    product = points @ points.T if count < channels else points.T @ points
    return float(np.linalg.slogdet(np.eye(len(product)) + product / (count * distortion))[1] / 2)
