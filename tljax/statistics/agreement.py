"""The agreement of two networks: how often they are right or wrong on the same images."""

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
    """How often two networks are right or wrong together on the same `n` images; shares are in 0..1."""

    observed: float
    """Share of images on which both are right or both are wrong (the paper's prediction similarity)."""
    independent: float
    """The share if the errors were independent: a1 a2 + (1 - a1)(1 - a2), where a1 and a2 are the accuracies."""
    independent_within_class: float
    """The same within each true class, averaged over classes by their shares of the images.

    Classes that are hard for both networks raise the agreement, even if the errors are independent within each class.
    """
    authors_independent: float
    """The baseline of the authors' published code, which squares the first accuracy: a1^2 + (1 - a1)^2."""
    kappa: float
    """Cohen's kappa of the two predicted classes; NaN if both networks predict one class for all images."""
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

    Args:
        labels, first, second: true and predicted class numbers.
        patients: the patient of each image. If given, images of one patient do not count as independent, neither in
            the interval (see `shares.share_interval`) nor in the test.

    Raises:
        UserError: there are no images, or labels, predictions and patients differ in length.
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

    If the accuracies are equal, the two networks can be swapped within any patient. A swap changes the sign of the
    patient's difference in the number of right images. The p-value is the share of all combinations of swaps whose
    total difference is at least as large as the observed one. With one image per patient, this is the exact McNemar
    test; with many patients, it agrees with Obuchowski's test (1998, doi
    10.1002/(SICI)1097-0258(19980715)17:13<1495::AID-SIM863>3.0.CO;2-I).
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
