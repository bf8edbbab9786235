"""Tests every pair of initialisations of a task that were trained under one condition.

`compare_pairs` computes both tests of each pair; `adjust` adjusts the p-values for the number of pairs. The 5 % level
holds for each task by itself, not for all tasks of a report together (`tljax.statistics.multiplicity` says why).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from tljax.report.analysis.conditions import Condition
from tljax.report.analysis.notes import Note, TooFewFolds
from tljax.report.analysis.tasks import ArmResult, TaskRuns
from tljax.report.analysis.trials import by_file
from tljax.statistics.delong import FoldPredictions, delong_of, influence
from tljax.statistics.estimates import Comparison, both_show
from tljax.statistics.multiplicity import SIGNIFICANCE, within_task
from tljax.statistics.over_folds import corrected_t


@dataclass(frozen=True)
class Evidence:
    """The results of several initialisations on the folds that all of them finished."""

    aucs: Mapping[str, Sequence[float]]
    """Test AUC fold by fold (the mean over seeds), by initialisation; the same folds in the same order."""
    predictions: Mapping[str, Sequence[FoldPredictions]]
    """Test predictions fold by fold, of all seeds of one initialisation; the same images in the same order."""
    test_to_train: float
    """Test images per training image."""
    units: int
    """Number of patients in the data set (or other groups, or images where groups are unknown)."""
    unit: str
    """What `units` counts: patients, lesions, slides or images."""
    left_out: Sequence[str] = ()
    """Initialisations that share too few of these folds to be compared."""
    elsewhere: Sequence[str] = ()
    """Initialisations that have finished runs under other conditions only."""

    @property
    def folds(self) -> int:
        """The number of folds on which they are compared."""
        return len(next(iter(self.aucs.values()), ()))

    def mean(self, init: str) -> float:
        """Returns the mean test AUC over these folds; NaN if there are none."""
        return float(np.mean(self.aucs[init])) if self.folds else float("nan")


@dataclass(frozen=True)
class PairTest:
    """Two initialisations on the same folds. Differences are first minus second."""

    first: str
    second: str
    t: Comparison
    """Over folds: the corrected resampled t-test."""
    delong: Comparison
    """Over test images: DeLong's test."""
    adjusted_p: float
    """The p-value of the t-test after `adjust`."""

    @property
    def shown(self) -> bool:
        """Whether both tests find the difference at the 5 % level, in the same direction."""
        return self.adjusted_p < SIGNIFICANCE and both_show(self.t, self.delong)

    @property
    def unknown(self) -> bool:
        """Whether there is a difference whose uncertainty one of the tests cannot state."""
        return self.t.value != 0 and bool(np.isnan([self.t.p, self.delong.p]).any())


@dataclass(frozen=True)
class ConditionResult:
    """The comparison of all initialisations under one condition."""

    evidence: Evidence
    folds: tuple[int, ...]
    """The folds on which they are compared."""
    pairs: tuple[PairTest, ...]
    """The initialisation with the higher mean AUC first, in each pair and over the pairs."""


def compare_task(task: TaskRuns) -> tuple[dict[Condition, ConditionResult], list[Note]]:
    """Compares the initialisations of a task under each condition."""
    of_condition: dict[Condition, list[ArmResult]] = defaultdict(list)
    for arm in task.arms:
        of_condition[arm.condition].append(arm)
    results, found = {}, []
    for condition, arms in of_condition.items():
        joined, folds = _with_common_folds(arms)
        left_out = [arm for arm in arms if arm not in joined]
        evidence = Evidence(
            aucs={arm.init: [arm.aucs[fold] for fold in folds] for arm in joined},
            predictions={arm.init: [_predictions(arm, fold) for fold in folds] for arm in joined},
            test_to_train=task.facts.test_to_train,
            units=task.facts.units,
            unit=task.facts.unit,
            left_out=[arm.init for arm in left_out],
            elsewhere=sorted({arm.init for arm in task.arms} - {arm.init for arm in arms}),
        )
        results[condition] = ConditionResult(evidence, folds, tuple(adjust(compare_pairs(evidence))))
        found += [TooFewFolds(arm.arm) for arm in left_out]
    return results, found


def _with_common_folds(arms: Sequence[ArmResult]) -> tuple[list[ArmResult], tuple[int, ...]]:
    """Returns the arms that share folds with the same test images, and the folds that all of these arms share.

    An arm must share at least two folds with the others, or one if they have only one.
    """
    ranked = sorted(arms, key=lambda arm: -len(arm.aucs))
    common, joined = set(ranked[0].aucs), [ranked[0]]
    files = {fold: set(trial.test.files) for fold, trial in ranked[0].first_seed.items()}
    for arm in ranked[1:]:
        own = arm.first_seed
        shared = {fold for fold in common & set(arm.aucs) if files[fold] == set(own[fold].test.files)}
        if len(shared) >= min(2, len(common)) and shared:
            common, joined = shared, [*joined, arm]
    return joined, tuple(sorted(common))


def _predictions(arm: ArmResult, fold: int) -> FoldPredictions:
    """Returns the predictions of all seeds that have the same test images as the lowest seed."""
    first, *others = arm.by_fold[fold]
    seeds = [first, *(trial for trial in others if set(trial.test.files) == set(first.test.files))]
    found = [by_file(trial.test, trial.patients) for trial in seeds]
    stacked = np.stack([predictions.probabilities[0] for predictions in found])
    return FoldPredictions(found[0].labels, (stacked,), found[0].patients)


def compare_pairs(evidence: Evidence) -> list[PairTest]:
    """Tests every pair of initialisations, the one with the higher mean first."""
    ranked = sorted(evidence.aucs, key=lambda init: -evidence.mean(init))
    influences = {
        init: [influence(fold.labels, fold.probabilities[0], fold.patients) for fold in folds]
        for init, folds in evidence.predictions.items()
    }
    pairs = []
    for first, second in combinations(ranked, 2):
        differences = np.subtract(evidence.aucs[first], evidence.aucs[second])
        t = corrected_t(differences, evidence.test_to_train)
        pairs.append(PairTest(first, second, t, delong_of(influences[first], influences[second]), t.p))
    return pairs


def adjust(pairs: Sequence[PairTest]) -> list[PairTest]:
    """Returns the pairs of one task and condition with p-values that hold 5 % per task; see `within_task`."""
    if not pairs:
        return []
    confirmed = {(pair.first, pair.second) for pair in pairs if both_show(pair.t, pair.delong)}
    p_values = {(pair.first, pair.second): pair.t.p for pair in pairs}
    held = within_task(p_values, pairs[0].first, confirmed)
    return [replace(pair, adjusted_p=held[pair.first, pair.second]) for pair in pairs]
