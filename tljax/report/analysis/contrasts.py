"""Compares two ways of training the same initialisation, fold by fold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tljax.report.analysis.conditions import Arm, Axis
from tljax.report.analysis.tasks import ArmResult
from tljax.statistics.estimates import Comparison
from tljax.statistics.over_folds import corrected_t


@dataclass(frozen=True)
class Contrast:
    """The same initialisation trained with both values of an axis, on the folds that both finished."""

    first: Arm
    second: Arm
    means: tuple[float, float]
    """Test AUC."""
    t: Comparison
    """First minus second, over folds: the corrected resampled t-test."""
    folds: int


def contrasts(arms: Sequence[ArmResult], test_to_train: float, axis: Axis) -> tuple[Contrast, ...]:
    """Returns the contrast of every initialisation that was trained with both values of the axis on a common fold."""
    known = {arm.arm: arm for arm in arms}
    found = []
    for arm in arms:
        other = known.get(Arm(arm.init, replace(arm.condition, **{axis.setting: axis.values[1]})))
        if other is None or getattr(arm.condition, axis.setting) != axis.values[0]:
            continue
        folds = sorted(arm.aucs.keys() & other.aucs.keys())
        if not folds:
            continue
        both = np.array([[arm.aucs[fold], other.aucs[fold]] for fold in folds])
        t = corrected_t(both[:, 0] - both[:, 1], test_to_train)
        first, second = map(float, both.mean(axis=0))
        found.append(Contrast(arm.arm, other.arm, (first, second), t, len(folds)))
    return tuple(found)
