"""Do two networks succeed and fail on the same images, more than independent ones would?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Integer
from scipy import stats

from tljax.core.errors import UserError

Classes = Integer[np.ndarray, "n"]


@dataclass(frozen=True)
class Agreement:
    """How far two networks' predictions on the same `n` images go together; shares lie in 0..1."""

    observed: float
    """Share of images on which both are right or both are wrong (the paper's prediction similarity)."""
    independent: float
    """What that share would be, did their errors not depend on each other: a1 a2 + (1 - a1)(1 - a2)."""
    authors_independent: float
    """The baseline of the authors' published code, which squares the first accuracy: a1^2 + (1 - a1)^2."""
    kappa: float
    """Cohen's kappa of the two predicted classes; NaN where both always predict one and the same class."""
    low: float
    """Lower end of the interval of `observed`."""
    high: float
    """Upper end of the interval of `observed`."""
    mcnemar_p: float
    """Exact McNemar test of equal accuracy, over images."""
    n: int


def agreement(
    labels: Classes, first: Classes, second: Classes, patients: Sequence[str] | None = None, level: float = 0.95
) -> Agreement:
    """Compares the classes that two networks predict. The interval is Wilson's, by image or by patient.

    With `patients`, images of one patient do not count as independent: the interval is as wide as that of the number of
    independent images that would give the same variance, wider where few patients tell what it is; all of 0..1 for one.

    Raises:
        UserError: no images, or labels, predictions and patients of different lengths.
    """
    from statsmodels.stats.proportion import proportion_confint

    lengths = [len(values) for values in (labels, first, second, *([] if patients is None else [patients]))]
    if len(set(lengths)) > 1 or not lengths[0]:
        raise UserError(
            f"labels, both predictions and patients must be as many, and at least one: here are {lengths} of them"
        )
    right1, right2 = first == labels, second == labels
    same = right1 == right2
    a1, a2, observed = right1.mean(), right2.mean(), same.mean()
    images = len(labels) if patients is None else effective_images(same, patients, level)
    low, high = proportion_confint(observed * images, images, alpha=1 - level, method="wilson") if images else (0, 1)
    only_first, discordant = int((right1 & ~right2).sum()), int((~same).sum())
    return Agreement(
        observed=float(observed),
        independent=float(a1 * a2 + (1 - a1) * (1 - a2)),
        authors_independent=float(a1**2 + (1 - a1) ** 2),
        kappa=cohen_kappa(first, second),
        low=float(low),
        high=float(high),
        mcnemar_p=float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0,
        n=len(labels),
    )


def effective_images(same: Bool[np.ndarray, " n"], patients: Sequence[str], level: float = 0.95) -> float:
    """How many independent images would estimate the share of `same` as precisely as these patients do.

    At most as many as there are images. A variance from G patients is itself uncertain: Student's t with G - 1 degrees
    of freedom takes the place of the normal quantile, which counts as that many fewer images; 0 for one patient.
    """
    share = same.mean()
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    deviations = np.bincount(patient, weights=same - share)
    groups = len(deviations)
    if groups < 2:
        return 0.0
    if share in (0, 1):  # nothing varies, which does not tell how much it could
        return float(groups)
    variance = groups / (groups - 1) * np.sum(deviations**2) / len(same) ** 2
    images = min(share * (1 - share) / max(variance, np.finfo(float).tiny), len(same))
    tail = (1 + level) / 2
    return float(images * np.square(stats.norm.ppf(tail) / stats.t.ppf(tail, groups - 1)))


def cohen_kappa(first: Classes, second: Classes) -> float:
    """Agreement of two raters beyond the chance that their class frequencies give, in -1..1."""
    classes = np.union1d(first, second)[:, None]
    chance = float((first == classes).mean(axis=1) @ (second == classes).mean(axis=1))
    return float(((first == second).mean() - chance) / (1 - chance)) if chance < 1 else float("nan")
