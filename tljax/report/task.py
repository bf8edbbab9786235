"""The runs of one task: which initialisations are compared, under which condition, on which folds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from tljax.report.names import listed
from tljax.report.trials import Arm, Condition, Trial
from tljax.report.verdict import Evidence, Pair, Verdict, compare_pairs
from tljax.statistics import intervals
from tljax.statistics.agreement import Agreement, agreement
from tljax.statistics.intervals import Comparison, Estimate


@dataclass(frozen=True)
class Axis:
    """A setting in which the runs of one initialisation may differ, and two ways of it."""

    setting: str
    """Of `Condition`."""
    values: tuple[Any, Any]
    ways: tuple[str, str]
    """For a reader."""


PREPROCESSING = Axis("preprocessing", ("native", "paper"), ("native", "paper preprocessing"))
FREEZE = Axis("freeze", (True, False), ("head first", "all at once"))


@dataclass(frozen=True)
class Contrast:
    """The same initialisation trained in both ways of an axis, on the folds that both finished."""

    first: Arm
    second: Arm
    means: tuple[float, float]
    """Test AUC."""
    t: Comparison
    """First minus second, over folds: the corrected resampled t-test."""
    folds: int


@dataclass
class Task:
    """All finished runs of one task."""

    name: str
    trials: list[Trial]
    units: int
    unit: str
    """What `units` counts: groups, or images where these are unknown."""
    group: str
    """What images have in common: patient, lesion or slide."""
    test_to_train: float
    remarks: list[str] = field(default_factory=list)
    condition: Condition | None = None
    """Under which the verdict is given."""
    evidence: dict[Condition, Evidence] = field(default_factory=dict)
    pairs: dict[Condition, list[Pair]] = field(default_factory=dict)
    verdict: Verdict | None = None

    @property
    def arms(self) -> list[Arm]:
        """Conditions apart; in each, the initialisation with the highest mean AUC first."""
        means = {arm: np.nanmean([*self.aucs(arm).values(), -1.0]) for arm in {t.arm for t in self.trials}}
        return sorted(means, key=lambda arm: (arm.condition != self.condition, arm.condition, -means[arm]))

    @property
    def folds(self) -> list[int]:
        """That any run finished."""
        return sorted({trial.run.fold for trial in self.trials})

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names."""
        return self.trials[0].test.classes

    @property
    def size(self) -> str:
        """`780 images of 600 patients, 2 classes`."""
        images = len({row.file for trial in self.trials for row in trial.run.split})
        people = f", {self.group}s not known" if self.unit == "images" else f" of {self.units:,} {self.unit}"
        return f"{images:,} images{people}, {len(self.classes)} classes"

    def of_arm(self, arm: Arm) -> list[Trial]:
        """By fold and seed."""
        return sorted((t for t in self.trials if t.arm == arm), key=lambda t: (t.run.fold, t.seed))

    def aucs(self, arm: Arm) -> dict[int, float]:
        """Test AUC by fold, averaged over seeds; folds where it is undefined are left out."""
        by_fold = defaultdict(list)
        for trial in self.of_arm(arm):
            if np.isfinite(trial.auc.value):
                by_fold[trial.run.fold].append(trial.auc.value)
        return {fold: float(np.mean(values)) for fold, values in by_fold.items()}

    def first_seed(self, arm: Arm) -> dict[int, Trial]:
        """One trial a fold: that of the lowest seed."""
        return {trial.run.fold: trial for trial in reversed(self.of_arm(arm))}

    def mean(self, arm: Arm) -> Estimate:
        """Mean test AUC over folds, with the corrected interval, kept within 0..1."""
        values = np.array(list(self.aucs(arm).values()))
        if not len(values):
            return Estimate(*[float("nan")] * 3)
        t = intervals.corrected_t(values, self.test_to_train)
        return Estimate(
            t.value, max(t.low, 0.0) if t.low == t.low else t.low, min(t.high, 1.0) if t.high == t.high else t.high
        )

    def agreements(self, condition: Condition) -> list[tuple[str, str, Agreement]]:
        """Prediction similarity of every two initialisations, on the test images of all folds together.

        In the order of their names, whichever does better: the authors' baseline is of the first, theirs of ImageNet.
        """
        found = []
        for inits in combinations(sorted(self.evidence[condition].predictions), 2):
            first, second = (self.evidence[condition].predictions[init] for init in inits)
            patients = [patient for fold in first for patient in fold.patients or ()]
            labels = np.concatenate([fold.labels for fold in first])
            classes = [np.concatenate([f.probabilities[0].argmax(axis=1) for f in folds]) for folds in (first, second)]
            found.append((*inits, agreement(labels, *classes, patients or None)))
        return found

    def contrasts(self, axis: Axis) -> list[Contrast]:
        """Of every initialisation that was trained in both ways and shares a fold, under each other condition."""
        found = []
        for arm in self.arms:
            other = Arm(arm.init, replace(arm.condition, **{axis.setting: axis.values[1]}))
            first, second = self.aucs(arm), self.aucs(other)
            folds = sorted(first.keys() & second.keys())
            if getattr(arm.condition, axis.setting) != axis.values[0] or not folds:
                continue
            both = np.array([[first[fold], second[fold]] for fold in folds])
            t = intervals.corrected_t(both[:, 0] - both[:, 1], self.test_to_train)
            found.append(Contrast(arm, other, tuple(map(float, both.mean(axis=0))), t, len(folds)))
        return found

    def seed_spread(self, arm: Arm) -> float:
        """Standard deviation over seeds within a fold, pooled over folds; NaN with one seed."""
        by_fold = defaultdict(list)
        for trial in self.of_arm(arm):
            by_fold[trial.run.fold].append(trial.auc.value)
        variances = [np.var(values, ddof=1) for values in by_fold.values() if len(values) > 1]
        return float(np.sqrt(np.mean(variances))) if variances else float("nan")


def make_task(name: str, trials: list[Trial]) -> Task:
    """Groups the runs of a task and compares what can be compared; what is left out goes into its remarks."""
    remarks = []
    classes = trials[0].test.classes
    alike = [trial for trial in trials if trial.test.classes == classes]
    if len(alike) < len(trials):
        remarks.append(f"{len(trials) - len(alike)} runs with other classes than {listed(list(classes))} are left out.")
    rows = {row.file: row for trial in alike for row in trial.run.split}
    patients = {row.patient for row in rows.values()}
    grouped, group = "" not in patients, str(trials[0].run.config.get("card", {}).get("unit", "patient"))
    sizes = [[sum(row.split == split for row in trial.run.split) for split in ("test", "train")] for trial in alike]
    task = Task(
        name=name,
        trials=alike,
        units=len(patients) if grouped else len(rows),
        unit=f"{group}s" if grouped else "images",
        group=group,
        test_to_train=float(np.mean([test / max(train, 1) for test, train in sizes])),
        remarks=remarks,
    )
    by_condition = defaultdict(list)
    for arm in task.arms:
        by_condition[arm.condition].append(arm)
    for condition, arms in by_condition.items():
        task.evidence[condition] = _evidence(task, arms)
        task.pairs[condition] = compare_pairs(task.evidence[condition])
    task.condition = min(by_condition, key=lambda c: (-len(by_condition[c]), c.freeze, bool(c.tag), c))
    return task


def _evidence(task: Task, arms: Sequence[Arm]) -> Evidence:
    """The arms that share at least two folds, on the folds and test images that all of them share."""
    ranked = sorted(arms, key=lambda arm: -len(task.aucs(arm)))
    common, joined = set(task.aucs(ranked[0])), [ranked[0]]
    for arm in ranked[1:]:
        reference, other = task.first_seed(joined[0]), task.first_seed(arm)
        shared = {f for f in common & set(task.aucs(arm)) if set(reference[f].test.files) == set(other[f].test.files)}
        if len(shared) >= min(2, len(common)) and shared:
            common, joined = shared, [*joined, arm]
        else:
            task.remarks.append(
                f"{arm.name} ({arm.condition}) shares too few finished folds with the others to be compared with them."
            )
    folds = sorted(common)
    return Evidence(
        aucs={arm.init: [task.aucs(arm)[fold] for fold in folds] for arm in joined},
        predictions={arm.init: [task.first_seed(arm)[fold].fold_predictions for fold in folds] for arm in joined},
        test_to_train=task.test_to_train,
        units=task.units,
        unit=task.unit,
        apart=[arm.init for arm in arms if arm not in joined],
    )


def missing(task: Task) -> Iterable[str]:
    """What the runs of a task do not let one say."""
    for arm in task.arms:
        trials = task.of_arm(arm)
        missing = sorted(set(task.folds) - {trial.run.fold for trial in trials})
        if missing:
            folds = listed([str(fold) for fold in missing])
            yield f"{arm.name} ({arm.condition}) has no finished run of fold {folds}."
        for trial in trials:
            absent = [name for c, name in enumerate(task.classes) if c not in trial.test.labels]
            if absent:
                what = "its AUC is undefined" if trial.auc.value != trial.auc.value else "its AUC leaves that class out"
                yield f"{arm.name}, fold {trial.run.fold}: no test image of {listed(absent)}; {what}."
    if task.unit == "images":
        yield (
            f"{task.group.capitalize()}s are not known: if any has several images, training has seen {task.group}s of "
            "the test, and every score is too good."
        )
    if len(task.folds) == 1:
        yield "One fold alone says nothing about how much the result depends on the images trained on."
    if len({trial.seed for trial in task.trials}) == 1:
        yield "Every run has the same seed: the spread over seeds is not known."
