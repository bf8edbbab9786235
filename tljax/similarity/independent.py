"""What each measure gives for independent Gaussian samples: the level by chance in closed form.

Positions of one image are no independent samples, so real features stand higher by chance: compare with the measured
level, of mismatched samples.
"""

import numpy as np
from scipy.integrate import quad


def level(measure: str, n: int, rank1: int, rank2: int) -> float | None:
    """The level of a measure by name; None where there is no closed form. Needs n > rank1 + rank2 for "cca"."""
    if measure == "debiased_cka":
        return 0.0
    if measure == "r2_cca" and n > max(rank1, rank2):
        return max(rank1, rank2) / (n - 1)
    if measure == "cca" and n > rank1 + rank2 + 1 and min(rank1, rank2) > 0:
        return mean_correlation(n, rank1, rank2)
    return None


def mean_correlation(n: int, rank1: int, rank2: int) -> float:
    """The mean canonical correlation in the limit of many samples and ranks (Wachter 1980): int sqrt(r) f(r) dr.

    The squared correlations r have the density sqrt((r - low) (high - r)) / (2 pi b r (1 - r)), b the smaller rank's
    share of the samples. Substituting r = middle - half cos(t) takes the roots at both ends out of the integral.
    """
    a, b = max(rank1, rank2) / (n - 1), min(rank1, rank2) / (n - 1)
    middle = a * (1 - b) + b * (1 - a)
    half = 2 * np.sqrt(a * b * (1 - a) * (1 - b))

    def integrand(t: float) -> float:
        r = middle - half * np.cos(t)
        return np.square(half * np.sin(t)) / (np.sqrt(r) * (1 - r)) if r > 0 else 0.0

    return float(quad(integrand, 0, np.pi)[0] / (2 * np.pi * b))
