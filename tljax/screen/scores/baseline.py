"""Pre-training size, a baseline that uses no data of the task: the more images a network was trained on, the better."""

import math

import numpy as np
from jaxtyping import Float

from tljax.screen.geometry import Labels
from tljax.screen.scores import Score

TITLE = "pre-training size"


def bounds(classes: int) -> tuple[float, float]:
    """Returns 0, the value of a network that was never trained, and infinity."""
    return 0.0, math.inf


def score(features: Float[np.ndarray, "n d"], labels: Labels, *, pretraining: float | None) -> Score:
    """Returns log10(1 + number of images of the pre-training); NaN if unknown. Features and labels are not used."""
    return Score(math.nan if pretraining is None else math.log10(1 + pretraining))
