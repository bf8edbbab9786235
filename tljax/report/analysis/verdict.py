"""Decides which initialisation to start from, or why the results cannot tell.

A difference counts as shown when two tests find it at the 5 % level: the corrected resampled t-test over folds,
adjusted for the comparisons of the task (`tljax.report.analysis.comparisons.adjust`), and DeLong's test over test
images. Where a test cannot state its uncertainty (all folds differ by the same amount, a class has one patient),
nothing is shown. Two tests are asked because each is blind to something: the first can be misled by five folds that
happen to agree, the second does not know that training could have turned out differently. `benchmarks/intervals.py`
measures how often they are wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tljax.report.analysis.comparisons import Evidence, PairTest
from tljax.statistics.over_folds import probability_best

FOLDS = 5  # in all: with fewer, the others are the first thing to train

Kind = Literal["winner", "tie", "none", "cannot"]
Reason = Literal["", "no fold", "one initialisation", "no common folds", "one fold", "unknown spread", "few folds"]


@dataclass(frozen=True)
class Verdict:
    """The answer for one task."""

    kind: Kind
    """winner: one initialisation beats all others. tie: some are beaten, several are left. none: no difference is
    shown. cannot: the results do not suffice, for the `reason`."""
    evidence: Evidence
    reason: Reason = ""
    leaders: tuple[str, ...] = ()
    """The initialisations that no other is shown to beat; the one with the highest mean first."""
    shown: tuple[PairTest, ...] = ()
    """The differences that the answer rests on."""
    undecided: tuple[PairTest, ...] = ()
    """The best initialisation against each one that it is not shown to beat."""
    probability_best: Mapping[str, float] | None = None


def judge(evidence: Evidence, pairs: Sequence[PairTest]) -> Verdict:
    """Returns the verdict on one task from its pairs, as `adjust` returns them."""
    if not evidence.folds:
        return Verdict("cannot", evidence, "no fold")
    if len(evidence.aucs) == 1:
        reason: Reason = "no common folds" if evidence.apart else "one initialisation"
        return Verdict("cannot", evidence, reason, leaders=tuple(evidence.aucs))
    best = pairs[0].first
    against = [pair for pair in pairs if pair.first == best]
    undecided = tuple(pair for pair in against if not pair.shown)
    if evidence.folds == 1:
        return Verdict("cannot", evidence, "one fold", undecided=tuple(against))
    beaten = {pair.second for pair in pairs if pair.shown}
    leaders = (best, *(pair.second for pair in undecided if pair.second not in beaten))
    chances = _probability_best(evidence)
    if not undecided:
        return Verdict("winner", evidence, "", leaders, tuple(against), (), chances)
    if beaten:
        shown = tuple(pair for pair in pairs if pair.shown and pair.first in leaders)
        return Verdict("tie", evidence, "", leaders, shown, undecided, chances)
    if any(pair.unknown for pair in undecided):
        return Verdict("cannot", evidence, "unknown spread", leaders, (), undecided)
    if evidence.folds < FOLDS:
        return Verdict("cannot", evidence, "few folds", leaders, (), undecided, chances)
    return Verdict("none", evidence, "", leaders, (), undecided, chances)


def _probability_best(evidence: Evidence) -> dict[str, float]:
    table = np.transpose([evidence.aucs[init] for init in evidence.aucs])
    return dict(zip(evidence.aucs, probability_best(table, evidence.test_to_train), strict=True))
