"""Which initialisation to start from, or why that cannot be said.

A difference counts as shown when two tests find it at the 5 % level: the corrected resampled t-test over folds, after
Holm's adjustment over tasks (and over the pairs of a task, unless the best beats all others), and DeLong's test over
test images. Where a test knows nothing (folds that do not differ, a class of one patient), nothing is shown. The first
alone is at times misled by five folds that happen to agree; the second knows nothing of the luck of training.
`benchmarks/intervals.py` measures how often they err.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from tljax.report.names import init_name, listed, p_equals, plain, probability, signed
from tljax.statistics import intervals
from tljax.statistics.intervals import Comparison, FoldPredictions

SIGNIFICANCE = 0.05
HOPELESS = 20  # times as many patients: beyond this, "more patients" is no advice
FOLDS = 5  # in all: with fewer, the rest is the first thing to train


@dataclass(frozen=True)
class Evidence:
    """What is known of the initialisations compared on one task, on the folds that all of them finished."""

    aucs: Mapping[str, Sequence[float]]
    """Test AUC fold by fold (the mean over seeds), by initialisation; the same folds in the same order."""
    predictions: Mapping[str, Sequence[FoldPredictions]]
    """Test predictions fold by fold, one network each; the same images in the same order."""
    test_to_train: float
    """Images tested over images trained on."""
    units: int
    """Patients in the data set, or whatever groups its images, or images where groups are unknown."""
    unit: str
    """What `units` counts: patients, lesions, slides or images."""
    apart: Sequence[str] = ()
    """Initialisations that were trained too, on too few of these folds to be compared."""

    @property
    def folds(self) -> int:
        """On how many folds they can be compared."""
        return len(next(iter(self.aucs.values()), ()))


@dataclass(frozen=True)
class Pair:
    """Two initialisations on the same folds; differences are first minus second."""

    first: str
    second: str
    t: Comparison
    """Over folds: the corrected resampled t-test."""
    delong: Comparison
    """Over test images."""
    adjusted_p: float
    """Of the t-test, by `adjust`."""

    @property
    def shown(self) -> bool:
        """Whether the difference counts as shown."""
        return self.adjusted_p < SIGNIFICANCE and self.delong.p < SIGNIFICANCE

    @property
    def unknown(self) -> bool:
        """Whether there is a difference of which a test cannot say how sure it is."""
        return self.t.value != 0 and bool(np.isnan([self.t.p, self.delong.p]).any())


@dataclass(frozen=True)
class Verdict:
    """The answer for one task."""

    kind: Literal["winner", "tie", "none", "cannot"]
    headline: str
    detail: str
    leaders: tuple[str, ...] = ()
    """The initialisations that none is shown to beat; the one with the highest mean first."""
    probability_best: Mapping[str, float] | None = None


def compare_pairs(evidence: Evidence) -> list[Pair]:
    """Every pair of initialisations, the one with the higher mean first."""
    ranked = sorted(evidence.aucs, key=lambda init: -np.mean(evidence.aucs[init]))
    pairs = []
    for first, second in combinations(ranked, 2):
        differences = np.subtract(evidence.aucs[first], evidence.aucs[second])
        both = [
            FoldPredictions(a.labels, (*a.probabilities, *b.probabilities), a.patients)
            for a, b in zip(evidence.predictions[first], evidence.predictions[second], strict=True)
        ]
        t = intervals.corrected_t(differences, evidence.test_to_train)
        pairs.append(Pair(first, second, t, intervals.delong(both), t.p))
    return pairs


def adjust(pairs_by_task: Mapping[str, list[Pair]]) -> dict[str, list[Pair]]:
    """The same pairs with the p-values by which they are judged.

    Holm over the tasks on which the same two are compared; then over the pairs of a task, unless the best beats all
    others: to beat every other needs no adjustment, to beat some does.
    """
    families: dict[frozenset[str], list[Pair]] = {}
    for pairs in pairs_by_task.values():
        for pair in pairs:
            families.setdefault(frozenset((pair.first, pair.second)), []).append(pair)
    adjusted = {}
    for family in families.values():
        for pair, p in zip(family, intervals.holm([pair.t.p for pair in family]), strict=True):
            adjusted[id(pair)] = replace(pair, adjusted_p=p)
    return {task: _over_pairs([adjusted[id(pair)] for pair in pairs]) for task, pairs in pairs_by_task.items()}


def _over_pairs(pairs: list[Pair]) -> list[Pair]:
    if all(pair.shown for pair in pairs if pair.first == pairs[0].first):
        return pairs
    held = intervals.holm([pair.adjusted_p for pair in pairs])
    return [replace(pair, adjusted_p=p) for pair, p in zip(pairs, held, strict=True)]


def judge(evidence: Evidence, pairs: list[Pair]) -> Verdict:
    """The verdict on one task from its pairs, as `adjust` returns them."""
    if not evidence.folds:
        return Verdict("cannot", "No verdict: no finished fold to judge by.", "")
    if len(evidence.aucs) == 1:
        return _judge_alone(evidence)
    if evidence.folds == 1:
        return _judge_one_fold(pairs)
    best = pairs[0].first
    against = [pair for pair in pairs if pair.first == best]
    tied = [pair for pair in against if not pair.shown]
    beaten = {pair.second for pair in pairs if pair.shown}
    leaders = (best, *(pair.second for pair in against if pair.second not in beaten))
    table = np.transpose([evidence.aucs[init] for init in evidence.aucs])
    chances = dict(zip(evidence.aucs, intervals.probability_best(table, evidence.test_to_train), strict=True))
    if not tied:
        closest = against[0]
        headline = f"Start from {init_name(best)}: {signed(closest.t.value)} AUC over {init_name(closest.second)} "
        headline += f"({_interval(closest.t)}), probability of being best {probability(chances[best])}."
        detail = " ".join(_sentence(pair, evidence) for pair in against)
        return Verdict("winner", headline, detail, leaders, chances)
    names = [init_name(init) for init in leaders]
    if beaten:
        shown = [pair for pair in pairs if pair.shown and pair.first in leaders]
        headline = f"Start from {listed(names, 'or')}: {_who_beats_whom(leaders, shown)}"
        headline += f", no detectable difference between {listed(names)} on these data." if names[1:] else "."
        detail = " ".join(
            [*(_sentence(pair, evidence) for pair in shown), *(_open_question(p, evidence) for p in tied)]
        )
        return Verdict("tie", headline, detail, leaders, chances)
    detail = " ".join(_open_question(pair, evidence) for pair in tied)
    if any(pair.unknown for pair in tied):
        headline = f"No verdict: {names[0]} leads, but these results do not tell how sure that is."
        return Verdict("cannot", headline, detail, leaders)
    if evidence.folds < FOLDS:
        headline = f"No verdict yet: {names[0]} leads, but {evidence.folds} folds are too few to be sure of it."
        return Verdict("cannot", headline, detail, leaders, chances)
    headline = f"No detectable difference on these data between {listed(names)}."
    return Verdict("none", headline, detail, leaders, chances)


def _who_beats_whom(leaders: Sequence[str], shown: Sequence[Pair]) -> str:
    """Never more than was shown: a leader may even do worse than one that another leader beats."""
    losers = {leader: [init_name(pair.second) for pair in shown if pair.first == leader] for leader in leaders}
    everyone = losers[leaders[0]]
    if len(leaders) > 1 and all(beaten == everyone for beaten in losers.values()):
        return f"{'both' if len(leaders) == 2 else 'all'} beat {listed(everyone)}"
    return listed([f"{init_name(leader)} beats {listed(beaten)}" for leader, beaten in losers.items() if beaten])


def _judge_alone(evidence: Evidence) -> Verdict:
    ((init, aucs),) = evidence.aucs.items()
    name, mean = init_name(init), plain(np.mean(aucs))
    detail = f"mean test AUC over {evidence.folds} fold{'s' * (evidence.folds > 1)} is {mean}. "
    if evidence.apart:
        headline = f"No verdict: {listed([name, *map(init_name, evidence.apart)])} share too few finished folds."
        return Verdict("cannot", headline, f"{name}'s {detail}Train all of them on the same folds.", (init,))
    headline = f"Only {name} was trained: there is nothing to compare it with."
    return Verdict("cannot", headline, f"Its {detail}Train a second initialisation on the same folds.", (init,))


def _judge_one_fold(pairs: list[Pair]) -> Verdict:
    closest = pairs[0]
    headline = "No verdict: one fold cannot tell a better initialisation from a lucky training."
    detail = (
        f"On this fold's test images {init_name(closest.first)} leads {init_name(closest.second)} by "
        f"{plain(closest.t.value)} AUC ({_interval(closest.delong)} by DeLong, over these test images only; "
        f"{p_equals(closest.delong.p)}). Train the other folds, if the data have any."
    )
    return Verdict("cannot", headline, detail)


def _sentence(pair: Pair, evidence: Evidence) -> str:
    first, second = (plain(float(np.mean(evidence.aucs[init]))) for init in (pair.first, pair.second))
    return (
        f"{init_name(pair.first)} {first} against {init_name(pair.second)} {second} on {evidence.folds} folds: "
        f"{signed(pair.t.value)} AUC ({_interval(pair.t)}), {p_equals(pair.adjusted_p)} over folds and "
        f"{p_equals(pair.delong.p)} over test images."
    )


def _open_question(pair: Pair, evidence: Evidence) -> str:
    """What would tell two apart that these data do not."""
    if pair.t.value == 0 and np.isnan(pair.t.p):
        return f"{init_name(pair.first)} and {init_name(pair.second)} have the same AUC on every fold."
    start = (
        f"{init_name(pair.first)} leads {init_name(pair.second)} by {plain(pair.t.value)} AUC ({_interval(pair.t)}); "
    )
    if np.isnan(pair.t.p):
        return (
            start + "every fold differs by exactly as much, which tells nothing of how sure it is: are they too small?"
        )
    if np.isnan(pair.delong.p):
        return start + f"a class has too few test {evidence.unit} for DeLong's test."
    if pair.adjusted_p < SIGNIFICANCE:
        return start + f"the folds agree on it, the test images do not (DeLong's {p_equals(pair.delong.p)})."
    if evidence.folds < FOLDS:
        return start + "train the other folds before asking for more data."
    if pair.t.p < SIGNIFICANCE:  # its interval, which knows of no other comparison, leaves zero out
        start += (
            f"the folds show it by itself ({p_equals(pair.t.p)}), not among all that is compared here "
            f"({p_equals(pair.adjusted_p)}); "
        )
    level = 1 - SIGNIFICANCE * pair.t.p / pair.adjusted_p
    needed = intervals.patients_needed(pair.t, evidence.units, evidence.folds, level=level)
    if needed > HOPELESS * evidence.units:
        return start + f"even {HOPELESS} times as many {evidence.unit} would hardly settle it."
    more = max(needed - evidence.units, 0.05 * evidence.units)
    return start + f"about {_round(more):,} more {evidence.unit} would settle it, were the difference what it seems."


def _interval(comparison: Comparison) -> str:
    if np.isnan(comparison.low):
        return "interval unknown"
    return f"95 % interval {plain(comparison.low)} to {plain(comparison.high)}"


def _round(number: float) -> int:
    """To two significant figures: an estimate of an estimate."""
    magnitude = 10 ** max(int(np.floor(np.log10(number))) - 1, 0)
    return int(np.ceil(number / magnitude) * magnitude)
