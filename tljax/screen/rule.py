"""Selects the candidates for fine-tuning, by a rule that published results support (benchmarks/screening.py).

Within an architecture, candidates are ordered by their mean rank over a linear probe, NLEEP and LogME. Candidates whose
probe is shown to be worse than the best one are left out. Between architectures, no score has any signal (Kendall's tau
of -0.26 to 0.08 over nine architectures), but size has some (0.35). The larger architecture therefore comes first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from tljax.statistics.estimates import Comparison
from tljax.statistics.over_folds import corrected_t

RANKED_BY = ("linear_probe", "nleep", "logme")


@dataclass(frozen=True)
class Candidate:
    """The facts about a candidate on which the rule depends."""

    name: str
    architecture: str
    multiply_adds: float
    probe: tuple[float, ...]
    """AUC of the linear probe, by fold."""
    scores: Mapping[str, float]
    """Values over all folds, by score."""
    random: bool = False


@dataclass(frozen=True)
class Choice:
    """One place of the shortlist."""

    name: str
    reason: str


@dataclass(frozen=True)
class Shortlist:
    """The candidates to fine-tune, best first, and remarks for the user."""

    choices: tuple[Choice, ...]
    remarks: tuple[str, ...]


def mean_ranks(scores: Sequence[ArrayLike]) -> Float[np.ndarray, " m"]:
    """Returns each candidate's mean rank over several scores; rank 1 is the highest value, and ties share a rank.

    scores: for each score, the values of `m` candidates; NaN counts as the lowest value. The first score decides
    between equal mean ranks.
    """
    from scipy.stats import rankdata

    ranks = np.array([rankdata(-np.nan_to_num(np.asarray(values, float), nan=-np.inf)) for values in scores])
    return ranks.mean(axis=0) + 1e-6 * ranks[0]


def choose(candidates: Sequence[Candidate], keep: int, test_to_train: float) -> Shortlist:
    """Chooses at most `keep` of the candidates.

    test_to_train: number of test images divided by the number of training images, in a fold.
    """
    queues = []
    for architecture in sorted({each.architecture for each in candidates}, key=lambda name: _size(candidates, name)):
        members = [each for each in candidates if each.architecture == architecture]
        queues.append(_of_architecture(members, test_to_train))
    several = len(queues) > 1
    choices: list[Choice] = []
    for turn in range(max(map(len, queues))):
        for queue in queues:
            if turn < len(queue) and len(choices) < keep:
                each, reason = queue[turn]
                where = f"the best {each.architecture}: " if several and turn == 0 else ""
                choices.append(Choice(each.name, where + reason))
    return Shortlist(tuple(choices), tuple(_remarks(candidates, queues, choices, test_to_train)))


def gap(one: Candidate, other: Candidate, test_to_train: float) -> Comparison:
    """Returns the difference in AUC of two candidates' probes, `one` minus `other`, with its 95 % interval.

    The interval is that of the corrected resampled t-test (Nadeau & Bengio 2003).
    """
    return corrected_t(np.array(one.probe) - np.array(other.probe), test_to_train)


def _size(candidates: Sequence[Candidate], architecture: str) -> tuple[float, str]:
    return -max(each.multiply_adds for each in candidates if each.architecture == architecture), architecture


def _of_architecture(members: Sequence[Candidate], test_to_train: float) -> list[tuple[Candidate, str]]:
    """Returns the members that are kept, best first, each with a reason."""
    ranks = mean_ranks([[each.scores.get(name, np.nan) for each in members] for name in RANKED_BY])
    best = max(members, key=lambda each: np.mean(each.probe))
    kept = []
    for rank, each in sorted(zip(ranks, members, strict=True), key=lambda pair: (pair[0], pair[1].name)):
        behind = gap(best, each, test_to_train)
        if each is not best and behind.low > 0:
            continue
        auc = f"probe AUC {np.mean(each.probe):.3f}"
        place = f"mean rank {rank:.1f} of {len(members)} by probe, NLEEP and LogME"
        if len(members) == 1:
            kept.append((each, f"{auc}; no other candidate has this architecture"))
        elif each is best:
            kept.append((each, f"{auc}, the highest; {place}"))
        else:
            known = "" if np.isnan(behind.low) else f" (95 % interval {-behind.high:+.3f} to {-behind.low:+.3f})"
            kept.append((each, f"{auc}, not shown to be worse than {best.name}: {-behind.value:+.3f}{known}; {place}"))
    return kept


def _remarks(
    candidates: Sequence[Candidate],
    queues: Sequence[Sequence[tuple[Candidate, str]]],
    choices: Sequence[Choice],
    test_to_train: float,
) -> list[str]:
    remarks = []
    left = sum(map(len, queues))
    if len(candidates) > 1 and left == len(candidates):
        names = ", ".join(each.name for each in choices)
        more = f"; {left - len(choices)} more are not shown to be worse" if left > len(choices) else ""
        remarks.append(f"No candidate stands out: any of these may be the best ({names}{more}).")
    if len(queues) > 1:
        remarks.append(
            "No score decides between architectures, because on published results none has any signal there. Size has "
            "some, so the larger architecture comes first."
        )
    trained = [each for each in candidates if not each.random]
    gains = [
        (gap(each, other, test_to_train), each, other)
        for each in trained
        for other in candidates
        if other.random and other.architecture == each.architecture
    ]
    if gains and not any(gain.low > 0 for gain, _, _ in gains):
        gain, each, other = max(gains, key=lambda entry: entry[0].value)
        known = "" if np.isnan(gain.low) else f", 95 % interval {gain.low:+.3f} to {gain.high:+.3f}"
        remarks.append(
            f"No candidate is shown to be better than random initialisation. {each.name} comes closest: the AUC of its "
            f"frozen features differs from that of {other.name} by {gain.value:+.3f}{known}. Fine-tuning may still "
            "show a difference."
        )
    return remarks
