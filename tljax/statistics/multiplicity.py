"""Adjusted p-values for the pairs of initialisations that a report compares.

The error rate is 5 % per task, not per report. A researcher asks of each task which initialisation to start from, and
the answers are separate statements. Over a report of T tasks, the probability of any false difference is then at most
1 - 0.95^T (14 % for three tasks, 30 % for seven). `over_report` holds 5 % over all tasks together. On the AUC tables
that the paper published (seven tasks, three initialisations) the rule per task shows 10 of 21 differences and two
winners, the rule over the report shows 4 and none. `benchmarks/intervals.py` measures the errors and the power of both.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

PairOf = tuple[str, str]

SIGNIFICANCE = 0.05


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts a family of p-values by Holm's method; NaN stays NaN and does not count.

    Written out because statsmodels collects garbage in every call, which takes 0.3 s in a large process.
    """
    adjusted = np.array(p_values, dtype=float)
    order = np.argsort(adjusted)[: np.isfinite(adjusted).sum()]  # NaN sorts last
    stepped = adjusted[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return adjusted.tolist()


def within_task(
    p_values: Mapping[PairOf, float], best: str, confirmed: Collection[PairOf] | None = None
) -> dict[PairOf, float]:
    """Adjusts the p-values of all pairs of initialisations on one task.

    If the best initialisation beats every other, the p-values of its own pairs stand as they are: that statement is
    one intersection-union test, which needs no adjustment (Berger 1982). The remaining pairs are adjusted by Holm's
    method among themselves. Otherwise Holm's method adjusts all pairs together. For five folds, the probability of any
    false difference was at most 5.1 % in 40,000 simulated tasks each of 3, 4 and 6 initialisations, equal or with one
    clear best; it was 8.7 % with two equal ones far above four equal ones, the least favourable case found.

    Args:
        p_values: by pair; the two names can be in either order.
        best: the initialisation with the highest mean score.
        confirmed: the pairs whose difference a second test also finds, at the same level; None: all.
    """
    own = {pair: p for pair, p in p_values.items() if best in pair}
    if not all(p < SIGNIFICANCE and (confirmed is None or pair in confirmed) for pair, p in own.items()):
        own = {}
    rest = {pair: p for pair, p in p_values.items() if pair not in own}
    held = own | dict(zip(rest, holm(list(rest.values())), strict=True))
    return {pair: held[pair] for pair in p_values}


def over_report(p_values: Mapping[str, Mapping[PairOf, float]]) -> dict[str, dict[PairOf, float]]:
    """Adjusts the p-values of all pairs of all tasks together by Holm's method: 5 % over the whole report."""
    held = iter(holm([p for pairs in p_values.values() for p in pairs.values()]))
    return {task: {pair: next(held) for pair in pairs} for task, pairs in p_values.items()}
