"""The expected value of a measure for independent Gaussian samples, in closed form.

Positions of one image are not independent samples, so unrelated features of images are more similar than this. Use the
chance level, measured on mismatched samples, instead.
"""

import numpy as np
from scipy.integrate import quad


def level(measure: str, n: int, rank1: int, rank2: int) -> float | None:
    """Returns the expected value of a measure; None if no closed form is known. "cca" needs n > rank1 + rank2 + 1."""
    if measure == "debiased_cka":
        return 0.0
    if measure == "r2_cca" and n > max(rank1, rank2):
        return max(rank1, rank2) / (n - 1)
    if measure == "cca" and n > rank1 + rank2 + 1 and min(rank1, rank2) > 0:
        return mean_correlation(n, rank1, rank2)
    return None


def mean_correlation(n: int, rank1: int, rank2: int) -> float:
    """Returns the mean canonical correlation for many samples and large ranks (Wachter 1980): int sqrt(r) f(r) dr.

    The squared correlations r have the density sqrt((r - low) (high - r)) / (2 pi b r (1 - r)), where b is the smaller
    rank over n - 1. Substituting r = middle - half cos(t) removes the square roots at both ends of the integral.
    """
    a, b = max(rank1, rank2) / (n - 1), min(rank1, rank2) / (n - 1)
    middle = a * (1 - b) + b * (1 - a)
    half = 2 * np.sqrt(a * b * (1 - a) * (1 - b))

    def integrand(t: float) -> float:
        r = middle - half * np.cos(t)
        return np.square(half * np.sin(t)) / (np.sqrt(r) * (1 - r)) if r > 0 else 0.0

    return float(quad(integrand, 0, np.pi)[0] / (2 * np.pi * b))
