"""Adjusted p-values: Holm's method against statsmodels, and the rule for the pairs of a task."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tljax.statistics.multiplicity import holm, over_report, within_task

NAN = float("nan")


def test_holm_equals_statsmodels_and_skips_nan():
    p_values = (np.random.default_rng(0).random(12) ** 3).tolist()
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.01, NAN, 0.04]) == pytest.approx([0.02, NAN, 0.04], nan_ok=True)
    assert np.isnan(holm([NAN])).all() and holm([]) == []


def test_remaining_pairs_are_adjusted_among_themselves_if_the_best_beats_all():
    p_values = {
        ("a", "b"): 0.04,
        ("a", "c"): 0.03,
        ("a", "d"): 0.02,
        ("b", "c"): 0.03,
        ("b", "d"): 0.9,
        ("c", "d"): NAN,
    }
    found = within_task(p_values, "a")
    assert [found["a", other] for other in "bcd"] == [0.04, 0.03, 0.02]
    assert found["b", "c"] == pytest.approx(0.06) and found["b", "d"] == pytest.approx(0.9)
    assert np.isnan(found["c", "d"])


@pytest.mark.parametrize("spoilt", [{"p": 0.06}, {"p": NAN}, {"unconfirmed": True}])
def test_all_pairs_are_adjusted_together_if_the_best_does_not_beat_all(spoilt):
    p_values = {("b", "a"): 0.01, ("a", "c"): spoilt.get("p", 0.02), ("b", "c"): 0.03}
    confirmed = {("b", "a"), ("b", "c")} | ({("a", "c")} if not spoilt.get("unconfirmed") else set())
    found = within_task(p_values, "a", confirmed)
    assert list(found) == list(p_values)
    assert list(found.values()) == pytest.approx(holm(list(p_values.values())), nan_ok=True)


def test_over_report_adjusts_all_tasks_together():
    found = over_report({"x": {("a", "b"): 0.01}, "y": {("a", "b"): 0.02, ("a", "c"): 0.5}})
    assert found["x"]["a", "b"] == pytest.approx(0.03) and found["y"]["a", "b"] == pytest.approx(0.04)


@pytest.mark.parametrize("clear_best", [False, True])
@pytest.mark.parametrize("inits", [2, 3, 6])
def test_a_task_shows_a_false_difference_in_at_most_five_percent_of_studies(inits, clear_best):
    """Equal initialisations, and one clear best over equal ones, whose own differences are true."""
    names, trials = "abcdef"[:inits], 2000
    values = np.random.default_rng(inits).normal(size=(trials, inits, 5))
    values[:, 0] += 20.0 * clear_best
    pairs = list(combinations(range(inits), 2))
    p_values = np.stack([stats.ttest_rel(values[:, i], values[:, j], axis=1).pvalue for i, j in pairs], axis=1)
    false = 0
    for p, best in zip(p_values.tolist(), values.mean(axis=2).argmax(axis=1), strict=True):
        found = within_task({(names[i], names[j]): q for (i, j), q in zip(pairs, p, strict=True)}, names[best])
        false += any(q < 0.05 for pair, q in found.items() if not (clear_best and "a" in pair))
    assert false / trials <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / trials)
