"""LEEP (Nguyen et al. 2020, https://arxiv.org/abs/2002.12462): how well the source classes predict the labels.

The network's own head gives the probabilities P(z | image) of the source classes z. Together with the labels y they
give the empirical P(y | z). The score is the mean logarithm of sum_z P(y | z) P(z | image).
"""

import numpy as np
from jaxtyping import Float

from tljax.core.errors import UserError
from tljax.screen.geometry import Labels, positions
from tljax.screen.scores import Score, checked

TITLE = "LEEP"


def bounds(classes: int) -> tuple[float, float]:
    """Returns minus infinity and 0, the largest mean of logarithms of probabilities."""
    return -np.inf, 0.0


def score(features: Float[np.ndarray, "n d"], labels: Labels, *, source: Float[np.ndarray, "n s"]) -> Score:
    """Returns the log expected empirical prediction.

    source: probabilities of the source classes; each row sums to 1. Raises UserError if they are not probabilities.
    """
    checked(features, labels)
    return Score(log_expected(source.astype(np.float64), labels))


def log_expected(source: Float[np.ndarray, "n s"], labels: Labels) -> float:
    """Returns the mean over images of log sum_z P(label | z) P(z | image)."""
    if not (source >= 0).all() or not np.allclose(source.sum(axis=1), 1, atol=1e-3):
        raise UserError("source probabilities must not be negative, and those of an image must sum to 1")
    position = positions(labels)
    joint = np.zeros((position.max() + 1, source.shape[1]))
    np.add.at(joint, position, source)
    mass = joint.sum(axis=0)
    conditional = np.divide(joint, mass, out=np.zeros_like(joint), where=mass > 0)
    expected = np.einsum("ns,ns->n", source, conditional[position])
    return float(np.log(np.maximum(expected, np.finfo(np.float64).tiny)).mean())
