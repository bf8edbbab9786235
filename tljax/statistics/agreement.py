"""Do two networks succeed and fail on the same images, more than independent ones would?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Integer
from scipy import stats

from tljax.core.errors import UserError
from tljax.statistics.shares import share_interval

Classes = Integer[np.ndarray, "n"]


@dataclass(frozen=True)
class Agreement:
    """How often two networks are right or wrong together on the same `n` images; shares lie in 0..1."""

    observed: float
    """Share of images on which both are right or both are wrong (the paper's prediction similarity)."""
    independent: float
    """That share if the errors did not depend on each other: a1 a2 + (1 - a1)(1 - a2), of the accuracies."""
    independent_within_class: float
    """The same of the accuracies within each true class, weighted by the classes' shares of the images.

    Classes that are hard for both networks raise the agreement of errors that are independent otherwise.
    """
    authors_independent: float
    """The baseline of the authors' published code, which squares the first accuracy: a1^2 + (1 - a1)^2."""
    kappa: float
    """Cohen's kappa of the two predicted classes; NaN where both always predict one and the same class."""
    low: float
    """Lower end of the interval of `observed`."""
    high: float
    """Upper end of the interval of `observed`."""
    mcnemar_p: float
    """Test of equal accuracy, exact over images or over patients; see `mcnemar`."""
    n: int


def agreement(
    labels: Classes, first: Classes, second: Classes, patients: Sequence[str] | None = None, level: float = 0.95
) -> Agreement:
    """Compares the classes that two networks predict. The interval is Wilson's, by image or by patient.

    With `patients`, images of one patient do not count as independent, neither in the interval (see
    `shares.share_interval`) nor in the test.

    Raises:
        UserError: no images, or labels, predictions and patients of different lengths.
    """
    from sklearn.metrics import cohen_kappa_score

    lengths = [len(values) for values in (labels, first, second, *([] if patients is None else [patients]))]
    if len(set(lengths)) > 1 or not lengths[0]:
        raise UserError(
            f"labels, both predictions and patients must have the same length, at least 1; the lengths are {lengths}"
        )
    right1, right2 = first == labels, second == labels
    a1, a2 = right1.mean(), right2.mean()
    observed = share_interval(right1 == right2, patients, level=level)
    classes, images = np.unique(labels, return_counts=True)
    within = [_independent(right1[labels == c].mean(), right2[labels == c].mean()) for c in classes]
    constant = len(np.union1d(first, second)) == 1
    return Agreement(
        observed=observed.value,
        independent=_independent(a1, a2),
        independent_within_class=float(np.average(within, weights=images)),
        authors_independent=_independent(a1, a1),
        kappa=float("nan") if constant else float(cohen_kappa_score(first, second)),
        low=observed.low,
        high=observed.high,
        mcnemar_p=mcnemar(right1, right2, patients),
        n=len(labels),
    )


def mcnemar(
    right1: Bool[np.ndarray, " n"], right2: Bool[np.ndarray, " n"], patients: Sequence[str] | None = None
) -> float:
    """Returns the p-value of equal accuracy of two networks, two-sided and exact.

    Under equal accuracy the networks may be swapped within any patient, which changes the sign of the patient's
    difference in right images. The p-value is the share of all such swaps whose total is at least as large as the one
    observed. For one image per patient it is the exact McNemar test; for many patients it agrees with Obuchowski's test
    (1998, doi 10.1002/(SICI)1097-0258(19980715)17:13<1495::AID-SIM863>3.0.CO;2-I).
    """
    differences = right1.astype(int) - right2.astype(int)
    if patients is not None:
        _, member = np.unique(np.asarray(patients), return_inverse=True)
        differences = np.bincount(member, weights=differences).astype(int)
    steps = np.abs(differences[differences != 0])
    if (steps == 1).all():
        return float(stats.binomtest(int((differences > 0).sum()), len(steps)).pvalue) if len(steps) else 1.0
    share = np.ones(1)  # of the swaps, by their total
    for step in steps:
        moved = np.zeros(len(share) + 2 * step)
        moved[: len(share)] += share / 2
        moved[2 * step :] += share / 2
        share = moved
    totals = np.arange(len(share)) - steps.sum()
    return float(min(share[np.abs(totals) >= abs(differences.sum())].sum(), 1.0))


def _independent(a1: float, a2: float) -> float:
    return float(a1 * a2 + (1 - a1) * (1 - a2))
