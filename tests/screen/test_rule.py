"""The rule that makes the shortlist, and its regret on published results."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tljax.screen.rule import Candidate, choose, mean_ranks

RATIO = 0.2


def candidate(name: str, auc: float, architecture: str = "resnet50", size: float = 4e9, spread: float = 0.02, **more):
    """Returns a candidate whose probe has this mean; the AUCs of all candidates vary together over folds."""
    folds = auc + np.array([-0.02, 0.01, 0.0, -0.01, 0.02])
    own = np.random.default_rng(sum(map(ord, name))).normal(size=5) * spread
    folds = folds + own - own.mean()
    return Candidate(name, architecture, size, tuple(folds), {"linear_probe": auc, "nleep": auc, "logme": auc}, **more)


def test_ranks_are_averaged_and_the_first_score_breaks_ties():
    ranks = mean_ranks([[0.9, 0.8, 0.7], [1, 3, 2], [np.nan, 0.0, 5.0]])
    assert ranks == pytest.approx([(1 + 3 + 3) / 3, (2 + 1 + 2) / 3, (3 + 2 + 1) / 3], abs=1e-5)
    assert list(np.argsort(mean_ranks([[1, 2], [2, 1]]))) == [1, 0]


def test_candidates_that_are_shown_to_be_worse_are_left_out():
    found = choose([candidate("a", 0.9, spread=0), candidate("b", 0.7, spread=0.005), candidate("c", 0.89)], 3, RATIO)
    assert [each.name for each in found.choices] == ["a", "c"]
    assert "the highest" in found.choices[0].reason
    assert "not shown to be worse than a: -0.010 (95 % interval" in found.choices[1].reason
    assert not found.remarks


def test_at_most_keep_candidates_are_listed_best_first():
    aucs = {"a": 0.80, "b": 0.83, "c": 0.81, "d": 0.79, "e": 0.82}
    found = choose([candidate(name, auc, spread=0.06) for name, auc in aucs.items()], 3, RATIO)
    assert [each.name for each in found.choices] == ["b", "e", "c"]
    assert any(
        "any of these may be the best (b, e, c; 2 more are not shown to be worse)" in remark for remark in found.remarks
    )


def test_a_score_never_chooses_between_architectures():
    """The larger architecture comes first whatever its probe; each has its best candidate before any second one."""
    members = [
        candidate("big one", 0.70, "large", 9e9),
        candidate("big two", 0.69, "large", 9e9),
        candidate("small one", 0.95, "small", 1e9, spread=0),
        candidate("small two", 0.60, "small", 1e9, spread=0.001),
    ]
    found = choose(members, 3, RATIO)
    assert [each.name for each in found.choices] == ["big one", "small one", "big two"]
    assert found.choices[1].reason.startswith("the best small: ")
    assert any("No score decides between architectures" in remark for remark in found.remarks)


def test_it_is_stated_if_no_candidate_is_better_than_random():
    random = candidate("random", 0.88, random=True)
    remarks = choose([candidate("imagenet", 0.885), random], 3, RATIO).remarks
    assert any("better than random initialisation. imagenet comes closest" in each for each in remarks)
    remarks = choose([candidate("imagenet", 0.97, spread=0.001), random], 3, RATIO).remarks
    assert not any("random" in each for each in remarks)


def test_with_one_fold_no_candidate_is_left_out():
    one = [Candidate(name, "a", 1.0, (auc,), {"linear_probe": auc}) for name, auc in (("x", 0.9), ("y", 0.5))]
    found = choose(one, 3, RATIO)
    assert [each.name for each in found.choices] == ["x", "y"]
    assert "nan" not in " ".join(each.reason for each in found.choices)


def test_the_default_shortlist_has_little_regret_on_published_results(shared):
    spec = importlib.util.spec_from_file_location(
        "screening_benchmark", Path(__file__).parents[2] / "benchmarks/screening.py"
    )
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    folder = shared / "reference" / "transferability"
    aucs = benchmark.read(folder, "AUCs", "dataset")
    targets = list(benchmark.read(folder, "lp", "dataset").columns)
    rules = benchmark.rules(folder, "dataset")
    found = benchmark.evaluate(rules["probe, NLEEP, LogME (default)"], aucs, targets, 1)
    assert len(targets) == 11
    assert found["regret3"].mean() <= 0.0005 and found["regret3"].max() <= 0.002
    alone = benchmark.evaluate(rules["linear_probe"], aucs, targets, 1)
    assert alone["tau"].mean() == pytest.approx(0.33, abs=0.005)  # as the tables' authors find
    assert alone["regret3"].mean() == pytest.approx(0.0021, abs=0.0001)
