"""Decides which initialisation to start from, or why the results cannot tell.

A difference counts as shown when two tests find it at the 5 % level: the corrected resampled t-test over folds,
adjusted for the comparisons of the task (`tljax.report.analysis.comparisons.adjust`), and DeLong's test over test
images. If a test cannot state its uncertainty (all folds differ by the same amount, or a class has one patient),
nothing is shown. Both tests are required because each ignores something. The test over folds can be misled by five
folds that agree by accident. DeLong's test ignores that another training could give another result.
`benchmarks/intervals.py` measures how often they are wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tljax.report.analysis.comparisons import Evidence, PairTest
from tljax.statistics.over_folds import probability_best

FOLDS = 5  # of a complete study; with fewer, the advice is to train the others first

Kind = Literal["winner", "tie", "none", "cannot"]
Reason = Literal["", "no fold", "one initialisation", "no common folds", "one fold", "unknown spread", "few folds"]


@dataclass(frozen=True)
class Verdict:
    """The answer for one task."""

    kind: Kind
    """winner: one initialisation is shown to beat all others. tie: some are beaten, several remain. none: no difference
    is shown. cannot: the results are not sufficient, for the given `reason`."""
    evidence: Evidence
    reason: Reason = ""
    leaders: tuple[str, ...] = ()
    """The initialisations that are not shown to be worse than another; the one with the highest mean first."""
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
        reason: Reason = "no common folds" if evidence.left_out else "one initialisation"
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
