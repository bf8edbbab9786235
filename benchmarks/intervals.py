"""How often do intervals contain the true value, and how often is a verdict wrong? Simulations with a known true value.

    python -m benchmarks.intervals [PART ...] [--trials 1000] [--published RESULTS_FOLDER]

Parts: studies, multiplicity, mcnemar, gaps, published; all of them by default. `published` needs the folder of the
authors' result tables. Every table states its trials. Intervals of a single AUC are simulated in `auc_intervals.py`.

studies: every trial draws a new data set and, for each initialisation, new features of every image. One feature carries
signal, the others noise. A linear discriminant is fitted on five folds, divided as in the paper (80 % train, 16 %
test). With about as many features as images it overfits, as a fine-tuned network does, and what it learns depends on
the fold. The true value is the mean over all trials (zero for equal initialisations, by symmetry).
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from tljax.report.analysis.comparisons import Evidence, adjust, compare_pairs
from tljax.report.analysis.verdict import judge
from tljax.statistics import metrics, power
from tljax.statistics.agreement import mcnemar
from tljax.statistics.delong import FoldPredictions
from tljax.statistics.estimates import both_show
from tljax.statistics.multiplicity import SIGNIFICANCE, PairOf, over_report, within_task
from tljax.statistics.over_folds import corrected_t


@dataclass(frozen=True)
class Scenario:
    """A kind of study: its size, its number of features, and the signal of each initialisation."""

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
    """Returns the weights of a ridge-regularised linear discriminant."""
    means = [features[labels == c].mean(axis=0) for c in (0, 1)]
    centred = features - np.where(labels[:, None] == 1, means[1], means[0])
    scatter = centred.T @ centred / len(labels)
    return np.linalg.solve(scatter + 0.1 * np.eye(features.shape[1]), means[1] - means[0])


def simulate(scenario: Scenario, rng) -> Evidence:
    """Returns one cross-validated study of every initialisation on the same images."""
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
    """Returns coverage and error rates of one scenario, as shares of its trials."""
    rng = np.random.default_rng(seed)
    studies = [simulate(scenario, rng) for _ in range(trials)]
    aucs = np.array([[study.aucs[init] for init in study.aucs] for study in studies])  # trial, init, fold
    mean = aucs.mean(axis=(0, 2))
    truth = (mean[0] - mean[1]) * (scenario.signals[0] != scenario.signals[1])
    best = {f"init{number}" for number, signal in enumerate(scenario.signals) if signal == max(scenario.signals)}
    by_t, by_delong, shown, right = [], [], [], []
    for study in studies:
        pairs = adjust(compare_pairs(study))
        verdict = judge(study, pairs)
        shown.append(verdict.kind in ("winner", "tie"))
        right.append(set(verdict.leaders) == best)
        pair = next(pair for pair in pairs if {pair.first, pair.second} == {"init0", "init1"})
        expected = truth if pair.first == "init0" else -truth
        by_t.append(pair.t.low <= expected <= pair.t.high)
        by_delong.append(pair.delong.low <= expected <= pair.delong.high)
    alone = [corrected_t(fold_aucs[0], 0.2) for fold_aucs in aucs]
    return {
        "AUC": mean[0],
        "difference covered": np.mean(by_t),
        "mean AUC covered": np.mean([interval.low <= mean[0] <= interval.high for interval in alone]),
        "covered by DeLong": np.mean(by_delong),
        "difference shown": np.mean(shown),
        "leaders right": np.mean(right),
    }


@dataclass(frozen=True)
class TaskTests:
    """The tests of one simulated task: equal initialisations, apart from one that may be better."""

    p_values: dict[PairOf, float]
    confirmed: set[PairOf]
    best: str
    equal: set[PairOf]
    """Pairs of equal initialisations."""

    def false(self, adjusted: Mapping[PairOf, float], both_tests: bool) -> bool:
        """Returns whether any difference between equal initialisations is shown."""
        candidates = self.equal & self.confirmed if both_tests else self.equal
        return any(adjusted[pair] < SIGNIFICANCE for pair in candidates)


def task_tests(scenario: Scenario, rng: np.random.Generator) -> TaskTests:
    pairs = compare_pairs(simulate(scenario, rng))
    of_init = {f"init{number}": signal for number, signal in enumerate(scenario.signals)}
    return TaskTests(
        p_values={(pair.first, pair.second): pair.t.p for pair in pairs},
        confirmed={(pair.first, pair.second) for pair in pairs if both_show(pair.t, pair.delong)},
        best=pairs[0].first,
        equal={(p.first, p.second) for p in pairs if of_init[p.first] == of_init[p.second]},
    )


def per_task(tasks: Sequence[TaskTests], both_tests: bool) -> list[dict[PairOf, float]]:
    return [within_task(t.p_values, t.best, t.confirmed if both_tests else None) for t in tasks]


def per_report(tasks: Sequence[TaskTests], _: bool) -> list[dict[PairOf, float]]:
    held = over_report({str(number): task.p_values for number, task in enumerate(tasks)})
    return [held[str(number)] for number in range(len(tasks))]


def multiplicity_table(trials: int) -> None:
    """Prints how often reports contain a false difference; they are drawn from one pool of simulated tasks."""
    print(f"\nAny false difference in a report, {trials} simulated tasks each, 1000 reports drawn from them\n")
    print(
        "| initialisations | tasks | 5 % per task, t alone | and DeLong (the verdict) "
        "| 5 % per report, t alone | and DeLong |"
    )
    print("|---|---|---|---|---|---|")
    kinds = {
        "2 equal": (2.0,) * 2,
        "3 equal": (2.0,) * 3,
        "6 equal": (2.0,) * 6,
        "1 better, 5 equal": (8.0, *(1.5,) * 5),
    }
    for name, signals in kinds.items():
        rng = np.random.default_rng(len(signals))
        pool = [task_tests(Scenario(200, 60, signals), rng) for _ in range(trials)]
        for count in (1, 3, 7):
            reports = [[pool[k] for k in rng.integers(trials, size=count)] for _ in range(1000)]
            if count == 1:
                reports = [[task] for task in pool]
            rates = [
                np.mean([_any_false(report, rule, both_tests) for report in reports])
                for rule in (per_task, per_report)
                for both_tests in (False, True)
            ]
            print(f"| {name} | {count} | " + " | ".join(f"{rate:.3f}" for rate in rates) + " |", flush=True)


def _any_false(report: Sequence[TaskTests], rule: Callable, both_tests: bool) -> bool:
    adjusted = rule(report, both_tests)
    return any(task.false(held, both_tests) for task, held in zip(report, adjusted, strict=True))


def mcnemar_table(trials: int) -> None:
    """Prints how often p < 0.05 for two equally accurate networks."""
    print(f"\nMcNemar's test of equal accuracy, {trials} trials\n\n| patients | images each | by patient | by image |")
    print("|---|---|---|---|")
    for patients, images in ((100, 1), (100, 5), (60, 20), (30, 50), (10, 30)):
        rng = np.random.default_rng(patients)
        names, found = np.repeat(np.arange(patients), images).astype(str).tolist(), []
        for _ in range(trials):
            easy = [np.repeat(rng.beta(0.8, 0.2, patients), images) for _ in range(2)]
            right = [rng.random(patients * images) < share for share in easy]
            found.append((mcnemar(*right, names) < SIGNIFICANCE, mcnemar(*right) < SIGNIFICANCE))
        print(
            f"| {patients} | {images} | " + " | ".join(f"{rate:.3f}" for rate in np.mean(found, axis=0)) + " |",
            flush=True,
        )


def gaps_table(trials: int) -> None:
    """Prints how much too large the differences are that the t-test over five folds shows, by power."""
    print(f"\nShown differences, {trials} trials of five folds\n")
    print("| true difference, in standard errors | power | shown difference over true | corrected over true |")
    print("|---|---|---|---|")
    for true in (1.0, 2.0, 3.0, 4.0, 6.0):
        rng = np.random.default_rng(0)
        values = rng.normal(true / np.sqrt(5), 1, size=(trials, 5)) * np.sqrt(5)
        tests = [corrected_t(fold, 0.0) for fold in values]
        shown = [test for test in tests if test.p < SIGNIFICANCE and test.value > 0]
        corrected = [power.corrected_for_selection(test.value, test.standard_error, 5) for test in shown]
        print(
            f"| {true:.0f} | {power.power(true, 1.0, 5):.2f} | {np.mean([t.value for t in shown]) / true:.2f} | "
            f"{np.mean(corrected) / true:.2f} |", flush=True,
        )  # fmt: skip


def published_table(results: Path) -> None:
    """Prints how many differences of the published AUCs both rules show, by the t-test alone."""
    with (results / "AUC.csv").open() as file:
        rows = list(csv.DictReader(file))
    print(
        "\nThe published AUCs\n\n"
        "| | pairs | 5 % per task: differences, winners | 5 % per report: differences, winners |"
    )
    print("|---|---|---|---|")
    for freeze in ("freezeFalse", "freezeTrue"):
        aucs: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for row in sorted((row for row in rows if row["freeze"] == freeze), key=lambda row: row["fold"]):
            aucs[row["target"]][row["source"]].append(float(row["AUC"]))
        tasks = []
        for of_source in aucs.values():
            ranked = sorted(of_source, key=lambda source: -np.mean(of_source[source]))
            p_values = {
                (a, b): corrected_t(np.subtract(of_source[a], of_source[b]), 0.2).p for a, b in combinations(ranked, 2)
            }
            tasks.append(TaskTests(p_values, set(p_values), ranked[0], set()))
        cells = []
        for rule in (per_task, per_report):
            adjusted = rule(tasks, False)
            shown = sum(p < SIGNIFICANCE for held in adjusted for p in held.values())
            winners = sum(
                all(p < SIGNIFICANCE for pair, p in held.items() if task.best in pair)
                for task, held in zip(tasks, adjusted, strict=True)
            )
            cells.append(f"{shown}, {winners}")
        print(f"| {freeze} | {sum(len(task.p_values) for task in tasks)} | " + " | ".join(cells) + " |")


def studies_table(trials: int) -> None:
    for title, scenarios in (("Equal", EQUAL), ("Unequal", UNEQUAL), ("Hardly overfitted", STABLE)):
        print(f"\n{title}, {trials} trials\n")
        for number, scenario in enumerate(scenarios):
            found = run(scenario, trials)
            if number == 0:
                print("| images | features | signals | " + " | ".join(found) + " |")
                print("|" + "---|" * (3 + len(found)))
            setting = f"| {scenario.images} | {scenario.features} | {scenario.signals} | "
            print(setting + " | ".join(f"{value:.3f}" for value in found.values()) + " |", flush=True)


PARTS = {
    "studies": studies_table, "multiplicity": multiplicity_table, "mcnemar": mcnemar_table,
    "gaps": gaps_table,
}  # fmt: skip


def main() -> None:
    """Prints the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "published", []], default=[])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--published", type=Path, help="folder with the authors' AUC.csv")
    arguments = parser.parse_args()
    for part in arguments.parts or PARTS:
        if part in PARTS:
            PARTS[part](arguments.trials)
    if "published" in arguments.parts and not arguments.published:
        parser.error("the part published needs --published RESULTS_FOLDER")
    if arguments.published:
        published_table(arguments.published)


if __name__ == "__main__":
    main()
