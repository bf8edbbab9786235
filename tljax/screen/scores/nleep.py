"""NLEEP (Li et al. 2021, https://arxiv.org/abs/2011.11200): LEEP with clusters of the features as source classes.

The features are reduced to the principal components that hold 80 % of their variance. A Gaussian mixture with five
components per class is fitted to them, and its posterior probabilities replace those of the source classes. The
published code of several benchmarks omits the logarithm; here it is included, as in the paper.
"""

import warnings

import numpy as np
from jaxtyping import Float

from tljax.screen.geometry import Labels, isometric
from tljax.screen.scores import Score, checked
from tljax.screen.scores.leep import log_expected

TITLE = "NLEEP"
VARIANCE, PER_CLASS = 0.8, 5
REGULARISATION = 1e-6, 1e-12  # added to variances: scikit-learn's default, or at least this share of the largest one


def bounds(classes: int) -> tuple[float, float]:
    """Returns minus infinity and 0, the largest mean of logarithms of probabilities."""
    return -np.inf, 0.0


def score(features: Float[np.ndarray, "n d"], labels: Labels, seed: int = 0) -> Score:
    """Returns LEEP of the mixture's posterior probabilities. seed: seed of the mixture's initialisation."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    points = isometric(checked(features, labels))
    variances = np.square(points).sum(axis=0)
    share = np.cumsum(variances) / variances.sum()
    points = points[:, : np.searchsorted(share, VARIANCE, side="right") + 1]
    components = min(PER_CLASS * len(np.unique(labels)), len(points))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        added = max(REGULARISATION[0], REGULARISATION[1] * float(variances[0]) / len(points))
        mixture = GaussianMixture(components, random_state=seed, reg_covar=added).fit(points)
    return Score(log_expected(mixture.predict_proba(points), labels), details={"components": components})
