"""The verdict in sentences: a headline, and the details that support it."""

from collections.abc import Sequence

import numpy as np

from tljax.core.errors import counted
from tljax.report.analysis.comparisons import SIGNIFICANCE, Evidence, PairTest
from tljax.report.analysis.study import Study, Task
from tljax.report.analysis.verdict import FOLDS, Verdict
from tljax.report.wording.names import (
    init_phrase,
    init_start,
    listed,
    p_equals,
    plain,
    probability,
    with_interval,
)
from tljax.statistics import power

LOW_POWER = 0.3  # below it, differences are too large on average even after correction
NOTICEABLE = 0.9  # a correction for selection is stated if it leaves at most this share of the difference


def study_headline(study: Study) -> tuple[str, list[str]]:
    """Returns the first line of the report and the sentences below it, over all tasks."""
    if not study.tasks:
        return "No verdict: no run is finished yet.", ["The list below says how far the runs are."]
    if len(study.tasks) == 1:
        return headline(study.tasks[0].verdict), details(study.tasks[0].verdict)
    judged = [task for task in study.tasks if task.verdict.kind != "cannot"]
    if not judged:
        return "No verdict on any task yet.", ["The reason is given with each task."]
    inits = sorted({init for task in judged for init in task.verdict.leaders})
    unbeaten = [init for init in inits if all(init in task.verdict.leaders for task in judged)]
    where = _all_of(judged, len(study.tasks))
    if all(task.verdict.kind == "none" for task in judged):
        same = all(set(task.verdict.leaders) == set(inits) for task in judged)
        names = listed([init_phrase(init) for init in inits]) if same else "the initialisations"
        return f"No difference between {names} is shown on {where}.", _per_task(judged)
    won = {
        init: [t.name for t in judged if t.verdict.kind == "winner" and t.verdict.leaders[0] == init] for init in inits
    }
    wins = [f"{init_start(init)} is the best on {listed(names)}." for init, names in won.items() if names]
    below = (wins or ["No initialisation is shown to be the best on any task."]) + _per_task(judged)
    if unbeaten:
        names = listed([init_phrase(init) for init in unbeaten], "or")
        subject = {1: "It is not", 2: "Neither is"}.get(len(unbeaten), "None of them is")
        return f"Start from {names}. {subject} shown to be worse than another initialisation on {where}.", below
    if all(init in task.verdict.evidence.aucs for init in inits for task in judged):
        return "The best initialisation depends on the task.", below
    return "No initialisation is among the best on all tasks, but not all of them were compared on every task.", below


def _all_of(judged: Sequence[Task], tasks: int) -> str:
    if len(judged) == 1:
        return f"{judged[0].name}, the one task with a verdict"
    return f"any of {tasks} tasks" if len(judged) == tasks else f"any of the {len(judged)} tasks with a verdict"


def _per_task(judged: Sequence[Task]) -> list[str]:
    if len(judged) < 2:
        return []
    return [
        f"On each task by itself, a difference that does not exist is shown with a probability of at most 5 %. On "
        f"{len(judged)} tasks together, the probability is higher."
    ]


def headline(verdict: Verdict) -> str:
    """Returns the first line on a task: which initialisation to start from."""
    leaders = [init_phrase(init) for init in verdict.leaders]
    match verdict.kind:
        case "winner":
            closest = verdict.shown[0]
            return (
                f"Start from {leaders[0]}: its AUC is {plain(closest.t.value)} higher than that of "
                f"{init_phrase(closest.second)} ({with_interval(closest.t)})."
            )
        case "tie":
            others = f"{_are(verdict.leaders[1:])} not shown to be worse. " if leaders[1:] else ""
            return f"Start from {leaders[0]}. {others}{_better_than(verdict)}"
        case "none":
            return f"No difference between {listed(leaders)} is shown on these data."
    evidence = verdict.evidence
    match verdict.reason:
        case "no fold":
            return "No verdict: no fold has a defined AUC."
        case "one initialisation" if evidence.elsewhere:
            return "No verdict: no two initialisations were trained under the same condition."
        case "one initialisation":
            return f"No verdict: only {leaders[0]} has finished runs."
        case "no common folds":
            names = [*leaders, *map(init_phrase, evidence.left_out)]
            return f"No verdict: {listed(names)} share too few finished folds."
        case "one fold":
            return "No verdict: with one fold, a better initialisation cannot be distinguished from chance."
        case "unknown spread":
            return f"No verdict: {leaders[0]} leads, but the results do not say how certain that is."
        case _:
            return f"No verdict yet: {leaders[0]} leads, but {evidence.folds} folds are too few to be sure."


def _are(inits: Sequence[str]) -> str:
    names = [init_start(inits[0]), *map(init_phrase, inits[1:])]
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'}"


def _better_than(verdict: Verdict) -> str:
    """Returns which initialisations the leaders are shown to beat.

    They need not be the same for all leaders: one leader may even have a lower AUC than an initialisation that another
    leader beats.
    """
    losers = {leader: [pair.second for pair in verdict.shown if pair.first == leader] for leader in verdict.leaders}
    everyone = losers[verdict.leaders[0]]
    if len(losers) > 1 and all(beaten == everyone for beaten in losers.values()):
        return f"{'Both' if len(losers) == 2 else 'All'} are better than {listed(list(map(init_phrase, everyone)))}."
    return " ".join(
        f"{init_start(leader)} is better than {listed(list(map(init_phrase, beaten)))}."
        for leader, beaten in losers.items()
        if beaten
    )


def details(verdict: Verdict) -> list[str]:
    """Returns the results that support the headline, and what the undecided differences would need, one text each."""
    evidence = verdict.evidence
    if verdict.kind != "cannot":
        parts = [_shown(pair, evidence) for pair in verdict.shown]
        parts += [_undecided(pair, evidence) for pair in verdict.undecided]
        if verdict.kind == "winner":
            best = verdict.leaders[0]
            chance = probability((verdict.probability_best or {}).get(best, float("nan")))
            parts += [_correction(verdict.shown[0], evidence)]
            parts += [f"The probability that {init_phrase(best)} is the best is {chance}."]
        return list(filter(None, parts))
    match verdict.reason:
        case "no fold":
            return []
        case "one initialisation" if evidence.elsewhere:
            others = listed([init_phrase(init) for init in evidence.elsewhere])
            advice = f"Train it and {others} with the same settings (head first or not, layers, preprocessing, tag)."
            return [_alone(verdict), advice]
        case "one initialisation":
            return [_alone(verdict), "Train a second initialisation on the same folds."]
        case "no common folds":
            return [_alone(verdict), "Train all of them on the same folds."]
        case "one fold":
            return [_on_one_fold(verdict.undecided[0])]
    return [_undecided(pair, evidence) for pair in verdict.undecided]


def _alone(verdict: Verdict) -> str:
    ((init, aucs),) = verdict.evidence.aucs.items()
    return (
        f"The mean test AUC of {init_phrase(init)} over {counted(len(aucs), 'fold')} is {plain(np.mean(aucs).item())}."
    )


def _on_one_fold(pair: PairTest) -> str:
    return (
        f"On the test images of this fold, {init_phrase(pair.first)} leads {init_phrase(pair.second)} by "
        f"{plain(pair.delong.value)} AUC ({with_interval(pair.delong)} by DeLong's test, which covers the choice of "
        f"test images only; {p_equals(pair.delong.p)}). Train the other folds, if there are any."
    )


def _shown(pair: PairTest, evidence: Evidence) -> str:
    second = init_phrase(pair.second)
    return (
        f"{init_start(pair.first)} has a higher AUC than {second}: {plain(evidence.mean(pair.first))} against "
        f"{plain(evidence.mean(pair.second))} on average over {evidence.folds} folds, a difference of "
        f"{plain(pair.t.value)} ({with_interval(pair.t)}; {p_equals(pair.adjusted_p)} over folds, "
        f"{p_equals(pair.delong.p)} over test images)."
    )


def _correction(pair: PairTest, evidence: Evidence) -> str:
    """Returns why a barely significant difference is too large on average; empty if the difference is far larger."""
    level = _level(pair)
    if not pair.t.p < 1 - level:
        return ""
    error, folds = pair.t.standard_error, evidence.folds
    corrected = power.corrected_for_selection(pair.t.value, error, folds, level=level)
    if corrected > NOTICEABLE * pair.t.value:
        return ""
    chance, of_corrected = (power.power(true, error, folds, level=level) for true in (pair.t.value, corrected))
    still = " With so little power even the corrected difference is too large on average." * (of_corrected < LOW_POWER)
    return (
        f"The true difference from {init_phrase(pair.second)} is probably smaller than {plain(pair.t.value)}, because "
        f"differences that only just pass a test are too large on average. Corrected for that, it is "
        f"{plain(corrected)}. If {plain(pair.t.value)} were true, {100 * chance:.0f} % of such studies would find a "
        f"difference; if {plain(corrected)} were true, {100 * of_corrected:.0f} %.{still}"
    )


def _undecided(pair: PairTest, evidence: Evidence) -> str:
    """Returns what is known about two initialisations between which these data cannot decide."""
    second = init_phrase(pair.second)
    if pair.t.value == 0 and np.isnan(pair.t.p):
        return f"{init_start(pair.first)} and {second} have the same AUC on every fold."
    start = f"{init_start(pair.first)} leads {second} by {plain(pair.t.value)} AUC ({with_interval(pair.t)}). "
    if np.isnan(pair.t.p):
        return start + (
            "Every fold differs by exactly the same amount, which does not say how certain the difference is. The "
            "folds may be too small."
        )
    if np.isnan(pair.delong.p):
        return start + f"A class has too few test {evidence.unit} for DeLong's test."
    if pair.adjusted_p < SIGNIFICANCE:
        return start + f"The folds show it; the test images do not (DeLong's test, {p_equals(pair.delong.p)})."
    if evidence.folds < FOLDS:
        return start + "Train the other folds before collecting more data."
    if pair.t.p < SIGNIFICANCE:  # its interval, which takes no other comparison into account, excludes zero
        start += (
            f"By itself the difference is significant ({p_equals(pair.t.p)}); among all comparisons of this task it is "
            f"not ({p_equals(pair.adjusted_p)}). "
        )
    smallest = power.smallest_difference(pair.t.standard_error, evidence.folds, level=_level(pair))
    return start + (
        f"This is not enough to say which is better. A study like this one finds a difference in "
        f"{100 * power.POWER:.0f} % of cases if it is about {smallest.value:.2f} AUC or more (estimated from "
        f"{evidence.folds} folds: {smallest.low:.2f} to {smallest.high:.2f})."
    )


def _level(pair: PairTest) -> float:
    """Returns the confidence level at which the t-test of a pair counts as significant after the adjustment."""
    factor = pair.adjusted_p / pair.t.p if pair.t.p > 0 else 1.0
    return 1 - SIGNIFICANCE / max(factor, 1.0)
