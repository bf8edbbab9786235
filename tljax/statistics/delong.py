"""DeLong's test: does the AUC of two networks differ on the same test images?

The unit of resampling is the patient, or the image where patients are unknown. Labels are class numbers `n` in 0..k-1,
probabilities `n k`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from tljax.statistics.estimates import LEVEL, ROUNDING, Comparison
from tljax.statistics.metrics import Labels, Probabilities
from tljax.statistics.placements import Influence, Units, influence_of, placements, units_of

SeedProbabilities = Float[np.ndarray, "_ n k"]


@dataclass(frozen=True)
class FoldPredictions:
    """The predictions of one or more networks for the test images of one fold."""

    labels: Labels
    probabilities: Sequence[Probabilities | SeedProbabilities]
    """Of each network `n k`, or `s n k` where it was trained with `s` seeds."""
    patients: Sequence[str] | None = None
    """The patient of each image; None if unknown."""


def delong(folds: Sequence[FoldPredictions], *, level: float = LEVEL) -> Comparison:
    """Tests whether the AUCs of two networks differ, on the test predictions of all folds together.

    The difference is that of the mean AUCs over folds and seeds. Images are ranked within their fold and seed, because
    the scores of each run have their own scale. Images of one patient count together (Obuchowski 1997), and the seeds
    are averaged image by image. With one fold, one seed and no patients, this is the test of DeLong, DeLong &
    Clarke-Pearson (1988). With three classes or more, each class is compared with the rest, weighted by prevalence.

    Args:
        folds: each with the predictions of two networks. Folds without an `influence` are left out.

    Returns:
        NaN if no fold is left. If both networks rank all images in the same way, only the difference, 0, is defined.
    """
    first, second = zip(*([influence(f.labels, p, f.patients) for p in f.probabilities] for f in folds), strict=True)
    return delong_of(first, second, level=level)


def delong_of(
    first: Sequence[Influence | None], second: Sequence[Influence | None], *, level: float = LEVEL
) -> Comparison:
    """Returns `delong` from the influences of two networks, fold by fold; many pairs of networks can share them."""
    parts = [(a.auc - b.auc, a.added - b.added) for a, b in zip(first, second, strict=True) if a and b]
    if not parts:
        return Comparison(*[float("nan")] * 5)
    difference = float(np.mean([part for part, _ in parts]))
    error = float(np.sqrt(sum((u**2).sum() for _, u in parts)) / len(parts))
    if error < ROUNDING:
        return Comparison(difference, *[float("nan")] * 4)
    reach = float(stats.norm.ppf((1 + level) / 2)) * error
    p = float(2 * stats.norm.sf(abs(difference) / error))
    return Comparison(difference, difference - reach, difference + reach, p, error)


def influence(
    labels: Labels, probabilities: Probabilities | SeedProbabilities, patients: Sequence[str] | None = None
) -> Influence | None:
    """Returns the influence of each patient on the AUC of one network, averaged over seeds.

    Returns None if the AUC is undefined, or if a class has one patient only, because its variance is then unknown.
    """
    units = units_of(labels, patients)
    if _smallest_class(labels, units, probabilities.shape[-1]) < 2:
        return None
    seeds = probabilities if probabilities.ndim == 3 else probabilities[None]
    of_seeds = [influence_of(placements(labels, of_seed), units) for of_seed in seeds]
    auc = float(np.mean([of_seed.auc for of_seed in of_seeds]))
    return Influence(auc, np.mean([of_seed.added for of_seed in of_seeds], axis=0))


def _smallest_class(labels: Labels, units: Units, classes: int) -> int:
    """Returns the smallest number of patients that a class, or the rest, has; absent classes do not count."""
    judged = [1] if classes == 2 else np.unique(labels)
    return min(len(np.unique(units[side])) for c in judged for side in (labels == c, labels != c))
