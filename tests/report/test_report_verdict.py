"""The verdict: what it says on plain cases, and that it knows when to be silent."""

import re
from dataclasses import replace

import numpy as np
import pytest

from tljax.report.names import p_equals
from tljax.report.verdict import Evidence, adjust, compare_pairs, judge
from tljax.statistics import intervals, metrics
from tljax.statistics.intervals import FoldPredictions


def evidence(signals, folds=5, images=200, seed=0, unit="patients"):
    """Predictions of networks whose skill is given, on the same test images fold by fold."""
    rng = np.random.default_rng(seed)
    aucs, predictions = {init: [] for init in signals}, {init: [] for init in signals}
    for _ in range(folds):
        labels = rng.integers(2, size=images)
        for init, signal in signals.items():
            second = 1 / (1 + np.exp(-(rng.normal(size=images) + signal * labels)))
            probabilities = np.stack([1 - second, second], axis=1)
            aucs[init].append(metrics.auc(labels, probabilities))
            predictions[init].append(FoldPredictions(labels, (probabilities,)))
    return Evidence(aucs, predictions, test_to_train=0.2, units=1000, unit=unit)


def verdict_of(known):
    return judge(known, adjust({"": compare_pairs(known)})[""])


def test_a_clear_winner_with_its_difference_interval_and_probability():
    known = evidence({"random": 0.3, "imagenet": 2.5})
    verdict = verdict_of(known)
    assert verdict.kind == "winner" and verdict.leaders == ("imagenet",)
    difference = np.mean(known.aucs["imagenet"]) - np.mean(known.aucs["random"])
    assert verdict.headline.startswith(f"Start from ImageNet: +{difference:.3f} AUC over random (95 % interval ")
    assert "probability of being best > 0.99" in verdict.headline


def test_equal_ones_above_a_beaten_one_are_both_named():
    verdict = verdict_of(evidence({"random": 0.2, "imagenet": 2.0, "radimagenet": 2.0}))
    assert verdict.kind == "tie" and set(verdict.leaders) == {"imagenet", "radimagenet"}
    assert "beat random" in verdict.headline and "no detectable difference" in verdict.headline


def test_only_what_is_shown_to_beat_another_is_said_to():
    known = evidence({"imagenet": 2.5, "radimagenet": 1.5, "random": 0.9})
    pairs = compare_pairs(known)
    assert [(pair.first, pair.second) for pair in pairs][1:] == [("imagenet", "random"), ("radimagenet", "random")]
    unsure = [replace(pair, adjusted_p=0.01 if pair.second == "radimagenet" else 0.2) for pair in pairs]
    verdict = judge(known, unsure)
    assert verdict.kind == "tie" and verdict.leaders == ("imagenet", "random")
    assert verdict.headline == (
        "Start from ImageNet or random: ImageNet beats RadImageNet, no detectable difference between ImageNet and "
        "random on these data."
    )


def test_one_that_any_other_is_shown_to_beat_is_no_leader():
    """Though the one with the highest mean is not: its folds differ too much."""
    known = evidence({"imagenet": 1.5, "radimagenet": 1.4, "random": 0.9})
    pairs = compare_pairs(known)
    assert pairs[2].first == "radimagenet" and pairs[2].second == "random"
    verdict = judge(known, [*(replace(pair, adjusted_p=0.2) for pair in pairs[:2]), replace(pairs[2], adjusted_p=0.01)])
    assert verdict.kind == "tie" and verdict.leaders == ("imagenet", "radimagenet")
    assert verdict.headline == (
        "Start from ImageNet or RadImageNet: RadImageNet beats random, no detectable difference between ImageNet and "
        "RadImageNet on these data."
    )
    assert "ImageNet leads random by" in verdict.detail  # which would otherwise seem to be settled


def test_holm_over_the_pairs_of_a_task_unless_the_best_beats_all():
    known = evidence({"random": 0.2, "imagenet": 2.0, "radimagenet": 2.0})
    pairs = compare_pairs(known)
    assert [p.adjusted_p for p in adjust({"": pairs})[""]] == pytest.approx(intervals.holm([p.t.p for p in pairs]))
    clear = compare_pairs(evidence({"random": 0.2, "imagenet": 3.5, "radimagenet": 1.5}))
    assert [p.adjusted_p for p in adjust({"": clear})[""]] == pytest.approx([p.t.p for p in clear])


def test_no_difference_says_how_many_more_patients_or_that_it_is_hopeless():
    verdict = verdict_of(evidence({"a": 1.0, "b": 1.05}, seed=3))
    assert verdict.kind == "none" and verdict.headline.startswith("No detectable difference on these data between ")
    assert "more patients would settle it" in verdict.detail or "times as many patients" in verdict.detail
    hopeless = evidence({"a": 1.0, "b": 1.0}, unit="images")
    hopeless.aucs["b"][:] = [value + (-1) ** fold * 0.05 for fold, value in enumerate(hopeless.aucs["a"])]
    hopeless.aucs["b"][4] = hopeless.aucs["a"][4] + 1e-6
    assert "20 times as many images would hardly settle it" in verdict_of(hopeless).detail


def test_too_few_folds_ask_for_the_others_before_more_patients():
    verdict = verdict_of(evidence({"a": 1.0, "b": 1.2}, folds=2))
    assert verdict.kind == "cannot" and "2 folds are too few" in verdict.headline
    assert "train the other folds" in verdict.detail and "patients" not in verdict.detail


def test_one_initialisation_or_one_fold_gives_no_verdict_but_what_is_known():
    alone = verdict_of(evidence({"imagenet": 1.0}))
    assert alone.kind == "cannot" and "nothing to compare" in alone.headline and "mean test AUC" in alone.detail
    one_fold = verdict_of(evidence({"imagenet": 3.0, "random": 0.1}, folds=1))
    assert one_fold.kind == "cannot" and "DeLong" in one_fold.detail and "Train the other folds" in one_fold.detail
    assert verdict_of(Evidence({}, {}, 0.2, 10, "images")).kind == "cannot"


def test_equal_initialisations_are_rarely_told_apart():
    told = sum(verdict_of(evidence({"a": 1.0, "b": 1.0}, images=80, seed=seed)).kind != "none" for seed in range(60))
    assert told <= 6  # 5 % of 60 is 3


def test_holm_over_tasks_adjusts_each_pair_of_initialisations_apart():
    tasks = {f"task{seed}": compare_pairs(evidence({"a": 1.2, "b": 0.9}, seed=seed)) for seed in range(3)}
    tasks["other"] = compare_pairs(evidence({"a": 1.2, "c": 0.9}, seed=9))
    adjusted = adjust(tasks)
    raw = sorted(tasks[f"task{seed}"][0].t.p for seed in range(3))
    held = sorted(adjusted[f"task{seed}"][0].adjusted_p for seed in range(3))
    assert held[0] == pytest.approx(min(3 * raw[0], 1))
    assert adjusted["other"][0].adjusted_p == pytest.approx(tasks["other"][0].t.p)


def small(first, second, folds=5):
    """Two networks with the same scores in every fold: of four images, two a class."""
    labels = np.array([0, 0, 1, 1])
    rows = {"imagenet": np.array(first), "random": np.array(second)}
    both = {init: np.stack([1 - scores, scores], axis=1) for init, scores in rows.items()}
    aucs = {init: [metrics.auc(labels, probabilities)] * folds for init, probabilities in both.items()}
    predictions = {init: [FoldPredictions(labels, (p,))] * folds for init, p in both.items()}
    return Evidence(aucs, predictions, test_to_train=0.2, units=20, unit="images")


def test_folds_that_agree_exactly_are_no_certainty():
    verdict = verdict_of(small([0.1, 0.2, 0.8, 0.9], [0.3, 0.7, 0.5, 0.6]))
    assert verdict.kind == "cannot" and "do not tell how sure" in verdict.headline
    assert "every fold differs by exactly as much" in verdict.detail and verdict.probability_best is None


@pytest.mark.parametrize("folds", [1, 2, 5])
def test_networks_that_score_the_same_are_not_told_apart(folds):
    verdict = verdict_of(small([0.1, 0.2, 0.8, 0.9], [0.1, 0.2, 0.8, 0.9], folds))
    assert verdict.kind == ("none" if folds == 5 else "cannot")
    assert "same AUC on every fold" in verdict.detail or folds == 1


def test_a_class_of_one_image_shows_nothing():
    known = evidence({"random": 0.3, "imagenet": 2.5}, images=40)
    for init in known.aucs:
        for number, fold in enumerate(known.predictions[init]):
            rows = [*np.flatnonzero(fold.labels == 0), np.flatnonzero(fold.labels == 1)[0]]
            known.predictions[init][number] = FoldPredictions(fold.labels[rows], (fold.probabilities[0][rows],))
    verdict = verdict_of(known)
    assert verdict.kind == "cannot" and "too few test patients for DeLong's test" in verdict.detail


def test_the_p_value_of_the_text_is_the_one_that_the_pairs_carry():
    known = evidence({"random": 0.2, "imagenet": 2.0, "radimagenet": 2.0})
    pairs = adjust({"": compare_pairs(known)})[""]
    last = pairs[1]
    assert last.second == "random" and last.adjusted_p == pytest.approx(intervals.holm([p.t.p for p in pairs])[1])
    assert f"{p_equals(last.adjusted_p)} over folds" in judge(known, pairs).detail
    assert (p_equals(0.0001), p_equals(0.0151)) == ("p < 0.001", "p = 0.015")


def test_others_that_share_too_few_folds_are_named():
    known = replace(evidence({"imagenet": 1.0}), apart=("random",))
    verdict = verdict_of(known)
    assert verdict.headline == "No verdict: ImageNet and random share too few finished folds."


def test_a_difference_that_only_other_comparisons_hide_is_told_as_such():
    known = evidence({"random": 1.0, "imagenet": 1.5}, images=60, seed=6)
    (pair,) = compare_pairs(known)
    assert pair.t.p < 0.05 and pair.t.low > 0
    alone, among = (judge(known, [replace(pair, adjusted_p=p)]) for p in (pair.t.p, 7 * pair.t.p))
    assert alone.kind == "winner" and among.kind == "none"
    assert f"by itself ({p_equals(pair.t.p)}), not among all" in among.detail
    assert f"({p_equals(7 * pair.t.p)})" in among.detail
    more = int(re.search(r"about ([\d,]+) more patients", among.detail)[1].replace(",", ""))
    strict = intervals.patients_needed(pair.t, known.units, 5, level=1 - 0.05 / 7)
    assert more == pytest.approx(strict - known.units, rel=0.1)
