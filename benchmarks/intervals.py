"""Do the intervals cover, and does the verdict keep quiet about equal initialisations? Simulated cross-validation.

    python benchmarks/intervals.py [--trials 1000]

Every trial draws a new data set and, for each initialisation, new features of every image: one carries signal, the
others noise. A linear discriminant is fitted on five folds as the paper cuts them (80 % train, 16 % test). With about
as many features as images it overfits, as a fine-tuned network does, and what it learns depends on the fold. The truth
that an interval should cover is the mean over all trials (zero for equal initialisations, by symmetry).
"""

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from tljax.report.analysis.comparisons import Evidence, adjust, compare_pairs
from tljax.report.analysis.verdict import judge
from tljax.statistics import intervals, metrics
from tljax.statistics.intervals import FoldPredictions


@dataclass(frozen=True)
class Scenario:
    """A kind of study: its size, how much the features overfit, and the signal that each initialisation's carry."""

    images: int
    features: int
    signals: tuple[float, ...]


EQUAL = (
    Scenario(200, 100, (2.0, 2.0)),
    Scenario(400, 150, (1.5, 1.5)),
    Scenario(400, 300, (1.5, 1.5)),
    Scenario(400, 150, (1.5, 1.5, 1.5)),
)
UNEQUAL = (Scenario(400, 150, (2.0, 1.5)), Scenario(800, 300, (2.5, 1.5)))
STABLE = (Scenario(400, 10, (1.5, 1.5)), Scenario(800, 10, (2.0, 1.5)))


def discriminant(features, labels):
    """Weights of a ridge-regularised linear discriminant."""
    means = [features[labels == c].mean(axis=0) for c in (0, 1)]
    centred = features - np.where(labels[:, None] == 1, means[1], means[0])
    scatter = centred.T @ centred / len(labels)
    return np.linalg.solve(scatter + 0.1 * np.eye(features.shape[1]), means[1] - means[0])


def simulate(scenario: Scenario, rng) -> Evidence:
    """One cross-validated study of every initialisation on the same images."""
    labels = (rng.random(scenario.images) < 0.4).astype(int)
    features = {}
    for number, signal in enumerate(scenario.signals):
        values = rng.normal(size=(scenario.images, scenario.features))
        values[:, 0] += signal * labels
        features[f"init{number}"] = values
    aucs, predictions = {init: [] for init in features}, {init: [] for init in features}
    for held_out in np.array_split(rng.permutation(scenario.images), 5):
        train = np.setdiff1d(np.arange(scenario.images), held_out)
        test = held_out[: round(0.8 * len(held_out))]
        for init, values in features.items():
            second = 1 / (1 + np.exp(-values[test] @ discriminant(values[train], labels[train])))
            probabilities = np.stack([1 - second, second], axis=1)
            aucs[init].append(metrics.auc(labels[test], probabilities))
            predictions[init].append(FoldPredictions(labels[test], (probabilities,)))
    return Evidence(aucs, predictions, test_to_train=0.2, units=scenario.images, unit="images")


def run(scenario: Scenario, trials: int, seed: int = 0) -> dict[str, float]:
    """Coverage and error rates of one scenario, as shares of its trials."""
    rng = np.random.default_rng(seed)
    studies = [simulate(scenario, rng) for _ in range(trials)]
    aucs = np.array([[study.aucs[init] for init in study.aucs] for study in studies])  # trial, init, fold
    mean = aucs.mean(axis=(0, 2))
    truth = (mean[0] - mean[1]) * (scenario.signals[0] != scenario.signals[1])
    best = {f"init{number}" for number, signal in enumerate(scenario.signals) if signal == max(scenario.signals)}
    by_t, by_delong, told_apart, right = [], [], [], []
    for study in studies:
        pairs = adjust(compare_pairs(study))
        verdict = judge(study, pairs)
        told_apart.append(verdict.kind in ("winner", "tie"))
        right.append(set(verdict.leaders) == best)
        pair = next(pair for pair in pairs if {pair.first, pair.second} == {"init0", "init1"})
        expected = truth if pair.first == "init0" else -truth
        by_t.append(pair.t.low <= expected <= pair.t.high)
        by_delong.append(pair.delong.low <= expected <= pair.delong.high)
    alone = [intervals.corrected_t(fold_aucs[0], 0.2) for fold_aucs in aucs]
    return {
        "AUC": mean[0],
        "difference covered": np.mean(by_t),
        "mean AUC covered": np.mean([interval.low <= mean[0] <= interval.high for interval in alone]),
        "covered by DeLong": np.mean(by_delong),
        "told apart": np.mean(told_apart),
        "leaders right": np.mean(right),
    }


def run_bootstrap(patients: int, images_each: int, auc: float, trials: int, seed: int = 0) -> dict[str, float]:
    """Coverage of one run's AUC interval, by patient and by image, where a patient's images resemble each other."""
    rng = np.random.default_rng(seed)
    shift = norm.ppf(auc) * np.sqrt(2)
    names = np.repeat(np.arange(patients).astype(str), images_each).tolist()
    covered = {"by patient": [], "by image": []}
    for _ in range(trials):
        label = (rng.random(patients) < 0.4).astype(int)
        scores = np.sqrt(0.7) * rng.normal(size=(patients, 1)) + np.sqrt(0.3) * rng.normal(size=(patients, images_each))
        second = norm.cdf(scores + shift * label[:, None]).ravel()
        labels, probabilities = np.repeat(label, images_each), np.stack([1 - second, second], axis=1)
        for unit, groups in (("by patient", names), ("by image", None)):
            interval = intervals.auc_interval(labels, probabilities, groups)
            covered[unit].append(interval.low <= auc <= interval.high)
    return {unit: np.mean(trials_covered) for unit, trials_covered in covered.items()}


def main() -> None:
    """Prints every figure as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    for title, scenarios in (("Equal", EQUAL), ("Unequal", UNEQUAL), ("Hardly overfitted", STABLE)):
        print(f"\n{title}\n")
        for number, scenario in enumerate(scenarios):
            figures = run(scenario, trials)
            if number == 0:
                print("| images | features | signals | " + " | ".join(figures) + " |")
                print("|" + "---|" * (3 + len(figures)))
            setting = f"| {scenario.images} | {scenario.features} | {scenario.signals} | "
            print(setting + " | ".join(f"{value:.3f}" for value in figures.values()) + " |", flush=True)
    print("\nOne run's AUC\n\n| patients | images each | AUC | by patient | by image |\n|---|---|---|---|---|")
    for patients, images_each, auc in ((125, 1, 0.9), (60, 1, 0.7), (80, 4, 0.8), (400, 1, 0.98)):
        figures = run_bootstrap(patients, images_each, auc, trials)
        print(
            f"| {patients} | {images_each} | {auc} | {figures['by patient']:.3f} | {figures['by image']:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
