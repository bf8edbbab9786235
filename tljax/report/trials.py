"""A finished run with its scores, and what must be equal for two of them to be compared."""

from dataclasses import dataclass

import numpy as np

from tljax.core.errors import UserError
from tljax.core.runs import CONFIG, SEED_TAG, Predictions, Run
from tljax.report.names import init_name
from tljax.statistics import intervals, metrics
from tljax.statistics.intervals import Estimate, FoldPredictions


@dataclass(frozen=True, order=True)
class Condition:
    """What must be equal for two initialisations to be compared."""

    freeze: bool
    preprocessing: str
    tag: str

    def __str__(self) -> str:
        return self.told()

    def told(self, without: str = "") -> str:
        """For a reader; `without` one of the settings."""
        parts = {
            "freeze": "head first, then all layers" if self.freeze else "all layers at once",
            "preprocessing": f"{self.preprocessing} preprocessing" if self.preprocessing != "native" else "",
            "tag": self.tag,
        }
        return ", ".join(part for setting, part in parts.items() if part and setting != without)


@dataclass(frozen=True, order=True)
class Arm:
    """One initialisation under one condition: what the folds and the seeds of a task repeat."""

    init: str
    condition: Condition

    @property
    def name(self) -> str:
        """For a reader."""
        return init_name(self.init)


@dataclass(frozen=True)
class Trial:
    """A finished run with its scores on the test images."""

    run: Run
    arm: Arm
    seed: int
    test: Predictions
    patients: tuple[str, ...] | None
    auc: Estimate
    auc_keras: float
    scores: dict[str, float]

    @property
    def fold_predictions(self) -> FoldPredictions:
        """In the order of the file names, so that two networks' rows meet."""
        rows = np.argsort(np.array(self.test.files))
        patients = None if self.patients is None else [self.patients[row] for row in rows]
        return FoldPredictions(self.test.labels[rows], (self.test.probabilities[rows],), patients)


def without_seed(tag: str) -> list[str]:
    """The parts of a run folder's tag but for the seed, over which results are pooled."""
    return [part for part in tag.split("-") if part and not SEED_TAG.fullmatch(part)]


def score(run: Run) -> Trial:
    """Reads and scores a finished run that `check` has passed. Raises `UserError` where it has no test image."""
    test = run.predictions.of_split("test")
    if not test.files:
        raise UserError(f"{run.path}: predictions.csv has no test image")
    patient_of = {row.file: row.patient for row in run.split}
    known = [patient_of.get(file, "") for file in test.files]
    patients = tuple(known) if all(known) else None
    preprocessing = str(run.settings.get("preprocessing", "native"))
    tag = [part for part in without_seed(run.tag) if part != preprocessing]
    return Trial(
        run=run,
        arm=Arm(run.init, Condition(run.freeze, preprocessing, "-".join(tag))),
        seed=run.settings.get("seed", 0),
        test=test,
        patients=patients,
        auc=intervals.auc_interval(test.labels, test.probabilities, patients),
        auc_keras=metrics.auc_keras(test.labels, test.probabilities),
        scores=intervals.secondary_scores(test.labels, test.probabilities),
    )


def check(run: Run) -> None:
    """Raises `UserError` for what is JSON in a run folder, but not what training writes."""
    for key in ("config", "card", "init", "versions", "must_match"):
        if not isinstance(run.config.get(key, {}), dict):
            raise UserError(f"{run.path / CONFIG}: {key} is not an object")
    if type(run.settings.get("seed", 0)) is not int:
        raise UserError(f"{run.path / CONFIG}: the seed {run.settings['seed']!r} is not a whole number")
    if not isinstance(run.config.get("skipped", []), list):
        raise UserError(f"{run.path / CONFIG}: skipped is not a list")
