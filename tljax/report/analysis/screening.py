"""Reads the results of a screening in a study's folder, and compares them with fine-tuning.

The files are those of `tljax screen`, in `screening/<task>/`, or in `screening/` if the study has one task:
`screen.csv` and `shortlist.csv`, and, if they exist, `layers.csv`, `redundancy.csv`, `efficiency.csv`,
`equivalence.csv` and `remarks.txt`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tljax.report.analysis.csv_tables import Row, cell, read_table
from tljax.report.analysis.notes import Note, Unreadable
from tljax.report.analysis.tasks import ArmResult, TaskRuns
from tljax.statistics.estimates import Comparison
from tljax.statistics.over_folds import corrected_t

FOLDER = "screening"


@dataclass(frozen=True)
class ScreeningScore:
    """One score of one candidate over all folds; the interval is NaN if the score has none."""

    network: str
    score: str
    value: float
    low: float
    high: float
    seconds: float


@dataclass(frozen=True)
class ShortlistEntry:
    """One network of the shortlist."""

    rank: str
    network: str
    reason: str


@dataclass(frozen=True)
class ProbeScore:
    """The AUC of a linear probe of one network on one layer, or on a share of the training images."""

    network: str
    layer: str
    images: float
    """Training images; NaN if all are used."""
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Equivalence:
    """The number of training images at which the probe of one network equals that of another on all images."""

    first: str
    second: str
    images: float
    low: float
    high: float
    of: float
    """All training images."""


@dataclass(frozen=True)
class Regret:
    """How much the best candidate of the shortlist loses against the best of all candidates, after fine-tuning."""

    best: str
    chosen: str
    fine_tuned: int
    """How many candidates of the screening were fine-tuned."""
    difference: Comparison
    """Mean test AUC of `best` minus that of `chosen`, over folds: the corrected resampled t-test."""
    folds: int


@dataclass(frozen=True)
class Screening:
    """The screening of one task."""

    scores: tuple[ScreeningScore, ...]
    shortlist: tuple[ShortlistEntry, ...]
    layers: tuple[ProbeScore, ...]
    """By network and layer, from input to output."""
    redundancy: dict[tuple[str, str], float]
    """Debiased CKA of the features of two candidates, by pair."""
    efficiency: tuple[ProbeScore, ...]
    """By network and number of training images."""
    equivalence: tuple[Equivalence, ...]
    remarks: tuple[str, ...]
    regret: Regret | None
    """None if no candidate of the shortlist, or fewer than two candidates, were fine-tuned."""

    @property
    def networks(self) -> tuple[str, ...]:
        """The candidates, those of the shortlist first."""
        return tuple(dict.fromkeys([*(p.network for p in self.shortlist), *(s.network for s in self.scores)]))

    def of(self, score: str) -> dict[str, ScreeningScore]:
        """Returns the values of one score by network."""
        return {each.network: each for each in self.scores if each.score == score}


def read_screening(workdir: Path, task: TaskRuns, one_task: bool, notes: list[Note]) -> Screening | None:
    """Returns the screening of a task; None if there is none. Adds a note for each file that cannot be read."""
    folder = workdir / FOLDER / task.facts.name
    if one_task and not (folder / "screen.csv").exists():
        folder = workdir / FOLDER
    if not (folder / "screen.csv").exists():
        return None
    scores = tuple(_scores(folder / "screen.csv", notes))
    shortlist = tuple(
        ShortlistEntry(row.get("rank", ""), row.get("network", ""), row.get("reason", ""))
        for row in _rows(folder / "shortlist.csv", notes)
    )
    arms = [arm for arm in task.arms if arm.condition == task.condition]
    candidates = {score.network for score in scores}
    pairs = _rows(folder / "redundancy.csv", notes)
    return Screening(
        scores,
        shortlist,
        layers=tuple(map(_probe, _rows(folder / "layers.csv", notes))),
        redundancy={(row.get("first", ""), row.get("second", "")): cell(row, "debiased_cka") for row in pairs},
        efficiency=tuple(map(_probe, _rows(folder / "efficiency.csv", notes))),
        equivalence=tuple(map(_equivalence, _rows(folder / "equivalence.csv", notes))),
        remarks=_remarks(folder / "remarks.txt", notes),
        regret=regret(arms, candidates, shortlist, task.facts.test_to_train),
    )


def _rows(path: Path, notes: list[Note]) -> Iterator[Row]:
    return read_table(path, notes) if path.exists() else iter(())


def _probe(row: Row) -> ProbeScore:
    numbers = (cell(row, key) for key in ("images", "value", "low", "high"))
    return ProbeScore(row.get("network", ""), row.get("layer", ""), *numbers)


def _equivalence(row: Row) -> Equivalence:
    numbers = (cell(row, key) for key in ("images", "low", "high", "of"))
    return Equivalence(row.get("first", ""), row.get("second", ""), *numbers)


def _remarks(path: Path, notes: list[Note]) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines()) if path.exists() else ()
    except (OSError, UnicodeDecodeError) as error:
        notes.append(Unreadable(f"{path} cannot be read ({error})."))
        return ()


def _scores(path: Path, notes: list[Note]) -> Iterator[ScreeningScore]:
    for row in read_table(path, notes):
        if not row.get("fold"):  # values of single folds are not shown
            numbers = (cell(row, key) for key in ("value", "low", "high", "seconds"))
            yield ScreeningScore(row.get("network", ""), row.get("score", ""), *numbers)


def regret(
    arms: Sequence[ArmResult], candidates: set[str], shortlist: Sequence[ShortlistEntry], test_to_train: float
) -> Regret | None:
    """Compares the best fine-tuned candidate with the best one of the shortlist, on the folds that both finished."""
    known = sorted((arm for arm in arms if arm.init in candidates and arm.aucs), key=lambda arm: -arm.mean.value)
    kept = {entry.network for entry in shortlist}
    chosen = next((arm for arm in known if arm.init in kept), None)
    if len(known) < 2 or chosen is None:
        return None
    best = known[0]
    folds = sorted(best.aucs.keys() & chosen.aucs.keys())
    if not folds:
        return None
    differences = np.array([best.aucs[fold] - chosen.aucs[fold] for fold in folds])
    difference = corrected_t(differences, test_to_train)
    return Regret(best.init, chosen.init, len(known), difference, len(folds))
