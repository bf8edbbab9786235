"""TransRate (Huang et al. 2022, https://arxiv.org/abs/2106.09362): information shared by the features and the labels.

R(Z) - sum_c n_c / n R(Z_c), with the coding rate R(Z) = 1/2 log det(I + Z^T Z / (n eps^2)) of the centred features,
those of each image brought to unit length as in the authors' code.
"""

import numpy as np
from jaxtyping import Float

from tljax.screen.geometry import Labels
from tljax.screen.scores import Score, checked

TITLE = "TransRate"
DISTORTION = 1e-4  # eps squared


def bounds(classes: int) -> tuple[float, float]:
    """The rate is concave, so that the difference is not negative."""
    return 0.0, np.inf


def score(features: Float[np.ndarray, "n d"], labels: Labels, distortion: float = DISTORTION) -> Score:
    """Returns the difference of the coding rates, in nats. `distortion`: eps squared."""
    points = checked(features, labels)
    points = points - points.mean(axis=0)
    length = np.linalg.norm(points, axis=1, keepdims=True)
    points = points / np.where(length > 0, length, 1)
    within = sum(np.mean(labels == c) * coding_rate(points[labels == c], distortion) for c in np.unique(labels))
    return Score(max(float(coding_rate(points, distortion) - within), 0.0))


def coding_rate(points: Float[np.ndarray, "n d"], distortion: float) -> float:
    """1/2 log det(I + Z^T Z / (n distortion)), by the smaller of Z^T Z and Z Z^T."""
    count, channels = points.shape
    product = points @ points.T if count < channels else points.T @ points
    return float(np.linalg.slogdet(np.eye(len(product)) + product / (count * distortion))[1] / 2)
