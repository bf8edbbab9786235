"""Groups the trials of one task by initialisation and condition."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tljax.report.analysis import notes
from tljax.report.analysis.conditions import Arm, Condition
from tljax.report.analysis.notes import Note
from tljax.report.analysis.trials import Trial
from tljax.statistics.estimates import Estimate
from tljax.statistics.over_folds import corrected_t


@dataclass(frozen=True)
class TaskFacts:
    """The data of a task."""

    name: str
    classes: tuple[str, ...]
    images: int
    units: int
    """Number of groups, or of images where groups are unknown."""
    unit: str
    """What `units` counts: patients, lesions, slides or images."""
    group: str
    """What images may have in common: patient, lesion or slide."""
    folds: tuple[int, ...]
    """Folds that any run finished."""
    test_to_train: float
    """Test images per training image."""
    card: Mapping[str, Any]
    """The task's card, as its first run recorded it."""

    @property
    def groups_known(self) -> bool:
        """Whether the group of every image is known."""
        return self.unit != "images"


@dataclass(frozen=True)
class ArmResult:
    """All trials of one initialisation under one condition."""

    arm: Arm
    trials: tuple[Trial, ...]
    """By fold and seed."""
    aucs: Mapping[int, float]
    """Test AUC by fold, averaged over seeds; folds in which it is undefined are left out."""
    aucs_held_out: Mapping[int, float]
    """The same over validation and test images together."""
    mean: Estimate
    """Mean test AUC over folds with the interval of the corrected resampled t-test, within 0..1."""
    seed_spread: float
    """Standard deviation over seeds within a fold, pooled over folds; NaN with one seed."""

    @property
    def init(self) -> str:
        """The initialisation."""
        return self.arm.init

    @property
    def condition(self) -> Condition:
        """The condition."""
        return self.arm.condition

    @property
    def backbones(self) -> set[str]:
        """The architectures of its networks, as far as the runs recorded them."""
        cards = (trial.run.facts.get("init", {}) for trial in self.trials)
        return {str(card["backbone"]) for card in cards if card.get("backbone")}

    @property
    def first_seed(self) -> dict[int, Trial]:
        """One trial per fold: that of the lowest seed."""
        return {trial.fold: trial for trial in reversed(self.trials)}

    @property
    def by_fold(self) -> dict[int, list[Trial]]:
        """The trials of each fold, one for each seed."""
        found: dict[int, list[Trial]] = defaultdict(list)
        for trial in self.trials:
            found[trial.fold].append(trial)
        return dict(found)


@dataclass(frozen=True)
class TaskRuns:
    """The finished runs of a task, grouped."""

    facts: TaskFacts
    arms: tuple[ArmResult, ...]
    """The verdict's condition first; in each condition the highest mean AUC first."""
    condition: Condition
    """Under which the verdict is given: that with the most initialisations."""
    notes: tuple[Note, ...]


def group_task(name: str, trials: Sequence[Trial]) -> TaskRuns:
    """Groups the trials of a task. Runs with other classes than the first are left out, with a note."""
    found: list[Note] = []
    classes = trials[0].test.classes
    alike = [trial for trial in trials if trial.test.classes == classes]
    if len(alike) < len(trials):
        found.append(notes.OtherClasses(len(trials) - len(alike), classes))
    facts = _facts(name, alike)
    of_arm: dict[Arm, list[Trial]] = defaultdict(list)
    for trial in alike:
        of_arm[trial.arm].append(trial)
    arms = [_arm_result(arm, own, facts.test_to_train) for arm, own in of_arm.items()]
    inits = Counter(arm.condition for arm in arms)
    condition = min(inits, key=lambda each: (-inits[each], each.freeze, bool(each.tag), each))
    arms.sort(key=lambda arm: (arm.condition != condition, arm.condition, -np.nan_to_num(arm.mean.value, nan=-1.0)))
    found += _missing(facts, arms)
    return TaskRuns(facts, tuple(arms), condition, tuple(found))


def _facts(name: str, trials: Sequence[Trial]) -> TaskFacts:
    patient_of = {file: patient for images in {t.images for t in trials} for file, patient in images.patient_of.items()}
    patients = set(patient_of.values())
    grouped, card = "" not in patients, trials[0].run.facts.get("card", {})
    group = str(card.get("unit", "patient"))
    ratios = [trial.images.counts["test"] / max(trial.images.counts["train"], 1) for trial in trials]
    return TaskFacts(
        name=name,
        classes=trials[0].test.classes,
        images=len(patient_of),
        units=len(patients) if grouped else len(patient_of),
        unit=f"{group}s" if grouped else "images",
        group=group,
        folds=tuple(sorted({trial.fold for trial in trials})),
        test_to_train=float(np.mean(ratios)),
        card=card,
    )


def _arm_result(arm: Arm, trials: Iterable[Trial], test_to_train: float) -> ArmResult:
    ordered = tuple(sorted(trials, key=lambda trial: (trial.fold, trial.seed)))
    by_fold: dict[int, list[Trial]] = defaultdict(list)
    for trial in ordered:
        by_fold[trial.fold].append(trial)
    aucs = _means({fold: [trial.auc.value for trial in own] for fold, own in by_fold.items()})
    held_out = _means({fold: [trial.auc_held_out for trial in own] for fold, own in by_fold.items()})
    variances = [np.var([trial.auc.value for trial in own], ddof=1) for own in by_fold.values() if len(own) > 1]
    spread = float(np.sqrt(np.mean(variances))) if variances else float("nan")
    return ArmResult(arm, ordered, aucs, held_out, _mean(list(aucs.values()), test_to_train), spread)


def _means(by_fold: Mapping[int, Sequence[float]]) -> dict[int, float]:
    defined = {fold: [value for value in values if np.isfinite(value)] for fold, values in by_fold.items()}
    return {fold: float(np.mean(values)) for fold, values in defined.items() if values}


def _mean(aucs: Sequence[float], test_to_train: float) -> Estimate:
    if not aucs:
        return Estimate(*[float("nan")] * 3)
    t = corrected_t(np.array(aucs), test_to_train)
    return Estimate(t.value, float(np.maximum(t.low, 0)), float(np.minimum(t.high, 1)))  # NaN stays NaN


def _absent_classes(facts: TaskFacts, arms: Sequence[ArmResult]) -> list[Note]:
    inits: dict[tuple[int, tuple[str, ...], bool], dict[str, None]] = defaultdict(dict)
    for arm in arms:
        for fold, trial in arm.first_seed.items():
            present = set(np.unique(trial.test.labels).tolist())
            if missing := tuple(name for c, name in enumerate(facts.classes) if c not in present):
                inits[fold, missing, bool(np.isnan(trial.auc.value))][arm.init] = None
    return [notes.AbsentClasses(tuple(names), *key) for key, names in sorted(inits.items())]


def _missing(facts: TaskFacts, arms: Sequence[ArmResult]) -> Iterator[Note]:
    """Yields what the runs of a task do not show."""
    for arm in arms:
        if absent := sorted(set(facts.folds) - {trial.fold for trial in arm.trials}):
            yield notes.MissingFolds(arm.arm, tuple(absent))
    yield from _absent_classes(facts, arms)
    if not facts.groups_known:
        yield notes.UnknownGroups(facts.group)
    if len(facts.folds) == 1:
        yield notes.OneFold()
    if len({trial.seed for arm in arms for trial in arm.trials}) == 1:
        yield notes.OneSeed()
