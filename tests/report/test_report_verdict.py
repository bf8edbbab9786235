"""The verdict: its wording in clear cases, and the cases in which none is given."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from tljax.report.analysis.comparisons import Evidence, PairTest, adjust, compare_pairs
from tljax.report.analysis.verdict import judge
from tljax.report.wording.names import p_equals
from tljax.report.wording.verdict import details, headline
from tljax.statistics import metrics, power
from tljax.statistics.delong import FoldPredictions
from tljax.statistics.estimates import Comparison
from tljax.statistics.multiplicity import holm
from tljax.statistics.over_folds import corrected_t


def evidence(signals, folds=5, images=200, seed=0, unit="patients"):
    """Simulated predictions for the same test images, fold by fold; a higher signal gives a higher AUC."""
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
    return judge(known, adjust(compare_pairs(known)))


def text_of(verdict):
    """The sentences below the headline."""
    return " ".join(details(verdict))


def test_a_clear_winner_is_stated_with_difference_interval_and_probability():
    known = evidence({"random": 0.3, "imagenet": 2.5})
    verdict = verdict_of(known)
    assert verdict.kind == "winner" and verdict.leaders == ("imagenet",)
    difference = np.mean(known.aucs["imagenet"]) - np.mean(known.aucs["random"])
    assert headline(verdict).startswith(
        f"Start from ImageNet: its AUC is {difference:.3f} higher than that of random initialisation (95 % interval "
    )
    assert "The probability that ImageNet is the best is > 0.99." in text_of(verdict)
    assert "probably smaller" not in text_of(verdict)  # far beyond the threshold


def test_two_equal_initialisations_above_a_worse_one_are_a_tie():
    verdict = verdict_of(evidence({"random": 0.2, "imagenet": 2.0, "radimagenet": 2.0}))
    assert verdict.kind == "tie" and set(verdict.leaders) == {"imagenet", "radimagenet"}
    assert headline(verdict) == (
        "Start from ImageNet. RadImageNet is not shown to be worse. Both are better than random initialisation."
    )


def test_an_initialisation_is_called_better_only_if_that_is_shown():
    known = evidence({"imagenet": 2.5, "radimagenet": 1.5, "random": 0.9})
    pairs = compare_pairs(known)
    assert [(pair.first, pair.second) for pair in pairs][1:] == [("imagenet", "random"), ("radimagenet", "random")]
    unsure = [replace(pair, adjusted_p=0.01 if pair.second == "radimagenet" else 0.2) for pair in pairs]
    verdict = judge(known, unsure)
    assert verdict.kind == "tie" and verdict.leaders == ("imagenet", "random")
    assert headline(verdict) == (
        "Start from ImageNet. Random initialisation is not shown to be worse. ImageNet is better than RadImageNet."
    )


def test_an_initialisation_that_any_other_beats_is_not_a_leader():
    """Even if the one with the highest mean is not shown to beat it, because its folds differ too much."""
    known = evidence({"imagenet": 1.5, "radimagenet": 1.4, "random": 0.9})
    pairs = compare_pairs(known)
    assert pairs[2].first == "radimagenet" and pairs[2].second == "random"
    verdict = judge(known, [*(replace(pair, adjusted_p=0.2) for pair in pairs[:2]), replace(pairs[2], adjusted_p=0.01)])
    assert verdict.kind == "tie" and verdict.leaders == ("imagenet", "radimagenet")
    assert headline(verdict) == (
        "Start from ImageNet. RadImageNet is not shown to be worse. RadImageNet is better than random initialisation."
    )
    assert "ImageNet leads random initialisation by" in text_of(verdict)  # otherwise this pair would seem decided


def test_pairs_are_adjusted_by_holm():
    known = evidence({"random": 0.2, "imagenet": 2.0, "radimagenet": 2.0})
    pairs = compare_pairs(known)
    assert [p.adjusted_p for p in adjust(pairs)] == pytest.approx(holm([p.t.p for p in pairs]))


def test_remaining_pairs_are_adjusted_among_themselves_if_the_best_beats_all():
    known = evidence({"best": 4.0, "a": 1.1, "b": 1.0, "c": 0.9})
    pairs = compare_pairs(known)
    against_best, others = adjust(pairs)[:3], adjust(pairs)[3:]
    assert all(pair.first == "best" and pair.adjusted_p == pair.t.p for pair in against_best)
    assert [p.adjusted_p for p in others] == pytest.approx(holm([p.t.p for p in pairs[3:]]))
    assert [p.adjusted_p for p in others] != pytest.approx([p.t.p for p in pairs[3:]])


def test_a_difference_is_not_shown_if_the_tests_have_opposite_signs():
    (pair,) = compare_pairs(evidence({"random": 0.3, "imagenet": 2.5}))
    assert pair.shown
    assert not replace(pair, delong=replace(pair.delong, value=-pair.delong.value)).shown


def test_one_clear_best_over_five_equal_initialisations_rarely_leaves_a_false_difference():
    """Without adjusting the remaining pairs, a third of such studies would have a false p below 0.05."""
    rng, found, unadjusted, studies = np.random.default_rng(0), 0, 0, 400
    sure = Comparison(0.1, 0.05, 0.15, 1e-6, 0.01)
    for _ in range(studies):
        scores = rng.normal(0.8, 0.02, size=(5, 5))
        names = sorted(range(5), key=lambda k: -scores[k].mean())
        pairs = [PairTest("best", str(k), sure, sure, sure.p) for k in names]
        for first, second in combinations(names, 2):
            t = corrected_t(scores[first] - scores[second], 0.2)
            pairs.append(PairTest(str(first), str(second), t, t, t.p))
        found += any(pair.adjusted_p < 0.05 for pair in adjust(pairs)[5:])
        unadjusted += any(pair.t.p < 0.05 for pair in pairs[5:])
    assert found / studies < 0.05 < 0.1 < unadjusted / studies


def test_an_undecided_pair_states_the_smallest_detectable_difference():
    known = evidence({"a": 1.0, "b": 1.05}, seed=3)
    verdict = verdict_of(known)
    assert verdict.kind == "none" and headline(verdict).startswith("No difference between ")
    (pair,) = verdict.undecided
    smallest = power.smallest_difference(pair.t.standard_error, 5)
    assert f"if it is about {smallest.value:.2f} AUC or more" in text_of(verdict) and "more patients" not in text_of(
        verdict
    )


def test_a_barely_significant_difference_is_stated_to_be_too_large():
    known = evidence({"imagenet": 1.5, "random": 1.0})
    (pair,) = compare_pairs(known)
    just = replace(pair.t, value=0.074, standard_error=0.074 / 3, p=0.04)
    verdict = judge(known, [replace(pair, t=just, adjusted_p=0.04, delong=replace(pair.delong, p=0.01))])
    corrected = power.corrected_for_selection(0.074, 0.074 / 3, 5)
    assert 0 < corrected < 0.05
    assert "is probably smaller than 0.074, because" in text_of(verdict)
    assert f"Corrected for that, it is {corrected:.3f}." in text_of(verdict)
    assert f"if {corrected:.3f} were true, {100 * power.power(corrected, 0.074 / 3, 5):.0f} %." in text_of(verdict)
    assert "With so little power even the corrected difference is too large on average." not in text_of(verdict)
    barely = replace(pair.t, value=0.074, standard_error=0.074 / 2.8, p=0.049)
    verdict = judge(known, [replace(pair, t=barely, adjusted_p=0.049, delong=replace(pair.delong, p=0.01))])
    assert "With so little power even the corrected difference is too large on average." in text_of(verdict)


def test_with_few_folds_the_advice_is_to_train_the_others():
    verdict = verdict_of(evidence({"a": 1.0, "b": 1.2}, folds=2))
    assert verdict.kind == "cannot" and "2 folds are too few" in headline(verdict)
    assert "Train the other folds" in text_of(verdict)


def test_one_initialisation_or_one_fold_gives_results_without_a_verdict():
    alone = verdict_of(evidence({"imagenet": 1.0}))
    assert alone.kind == "cannot" and headline(alone) == "No verdict: only ImageNet has finished runs."
    assert "mean test AUC" in text_of(alone)
    one_fold = verdict_of(evidence({"imagenet": 3.0, "random": 0.1}, folds=1))
    assert one_fold.kind == "cannot" and "DeLong" in text_of(one_fold) and "Train the other folds" in text_of(one_fold)
    assert verdict_of(Evidence({}, {}, 0.2, 10, "images")).kind == "cannot"


def test_equal_initialisations_are_rarely_distinguished():
    found = sum(verdict_of(evidence({"a": 1.0, "b": 1.0}, images=80, seed=seed)).kind != "none" for seed in range(60))
    assert found <= 6  # 5 % of 60 is 3


def small(first, second, folds=5):
    """Two networks with the same scores in every fold: four images, two of each class."""
    labels = np.array([0, 0, 1, 1])
    rows = {"imagenet": np.array(first), "random": np.array(second)}
    both = {init: np.stack([1 - scores, scores], axis=1) for init, scores in rows.items()}
    aucs = {init: [metrics.auc(labels, probabilities)] * folds for init, probabilities in both.items()}
    predictions = {init: [FoldPredictions(labels, (p,))] * folds for init, p in both.items()}
    return Evidence(aucs, predictions, test_to_train=0.2, units=20, unit="images")


def test_identical_differences_in_all_folds_give_no_verdict():
    verdict = verdict_of(small([0.1, 0.2, 0.8, 0.9], [0.3, 0.7, 0.5, 0.6]))
    assert verdict.kind == "cannot" and "do not say how certain" in headline(verdict)
    assert "Every fold differs by exactly the same amount" in text_of(verdict) and verdict.probability_best is None


@pytest.mark.parametrize("folds", [1, 2, 5])
def test_networks_with_identical_scores_are_not_distinguished(folds):
    verdict = verdict_of(small([0.1, 0.2, 0.8, 0.9], [0.1, 0.2, 0.8, 0.9], folds))
    assert verdict.kind == ("none" if folds == 5 else "cannot")
    assert "same AUC on every fold" in text_of(verdict) or folds == 1


def test_no_difference_is_shown_if_a_class_has_one_image():
    known = evidence({"random": 0.3, "imagenet": 2.5}, images=40)
    for init in known.aucs:
        for number, fold in enumerate(known.predictions[init]):
            rows = [*np.flatnonzero(fold.labels == 0), np.flatnonzero(fold.labels == 1)[0]]
            known.predictions[init][number] = FoldPredictions(fold.labels[rows], (fold.probabilities[0][rows],))
    verdict = verdict_of(known)
    assert verdict.kind == "cannot" and "too few test patients for DeLong's test" in text_of(verdict)


def test_the_text_states_the_adjusted_p_value():
    known = evidence({"random": 0.2, "imagenet": 2.0, "radimagenet": 2.0})
    pairs = adjust(compare_pairs(known))
    last = pairs[1]
    assert last.second == "random" and last.adjusted_p == pytest.approx(holm([p.t.p for p in pairs])[1])
    assert f"{p_equals(last.adjusted_p)} over folds" in text_of(judge(known, pairs))
    assert (p_equals(0.0001), p_equals(0.0151)) == ("p < 0.001", "p = 0.015")


def test_initialisations_that_share_too_few_folds_are_named():
    known = replace(evidence({"imagenet": 1.0}), left_out=("random",))
    verdict = verdict_of(known)
    assert headline(verdict) == "No verdict: ImageNet and random initialisation share too few finished folds."


def test_a_difference_that_is_significant_only_without_adjustment_is_stated():
    known = evidence({"random": 1.0, "imagenet": 1.5}, images=60, seed=6)
    (pair,) = compare_pairs(known)
    assert pair.t.p < 0.05 and pair.t.low > 0
    alone, among = (judge(known, [replace(pair, adjusted_p=p)]) for p in (pair.t.p, 7 * pair.t.p))
    assert alone.kind == "winner" and among.kind == "none"
    assert f"By itself the difference is significant ({p_equals(pair.t.p)}); among all comparisons" in text_of(among)
    assert f"({p_equals(7 * pair.t.p)})" in text_of(among)
    strict = power.smallest_difference(pair.t.standard_error, 5, level=1 - 0.05 / 7)
    assert (
        f"about {strict.value:.2f} AUC or more (estimated from 5 folds: {strict.low:.2f} to {strict.high:.2f})"
        in text_of(among)
    )
