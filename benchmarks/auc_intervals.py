"""How often do the intervals of a single AUC contain the true value? Simulations with a known true value.

    python -m benchmarks.auc_intervals [PART ...] [--trials 1000]

Parts: run, classes, probe; all of them by default.

run: one run's AUC of two classes. Scores are normal; images of a patient have a correlation of 0.7.
classes: the same with three classes or more, where the AUC is one-vs-rest weighted by prevalence.
probe: the corrected resampled t interval of a linear probe's AUC over five folds, as `tljax screen` reports it. Two
normal classes differ by `separation` along one direction. The true value is the AUC on new images, in
closed form.
"""

import argparse

import numpy as np
from scipy.stats import norm

from tljax.screen import probe
from tljax.statistics import metrics
from tljax.statistics.auc_interval import auc_interval
from tljax.statistics.over_folds import corrected_t

# patients, images each, positive patients (None: 40 % at random), AUC
RUNS = (
    (125, 1, None, 0.9), (60, 1, None, 0.7), (400, 1, None, 0.98), (80, 4, None, 0.8),
    (125, 1, 6, 0.9), (125, 1, 6, 0.95), (400, 1, 20, 0.95), (10, 30, 4, 0.8), (10, 30, None, 0.9), (20, 10, None, 0.8),
)  # fmt: skip


def run_coverage(
    patients: int, images: int, positives: int | None, auc: float, trials: int, seed: int = 0
) -> dict[str, float]:
    """Returns coverage and mean length of one run's AUC interval; images of a patient have a correlation of 0.7."""
    rng = np.random.default_rng(seed)
    shift, shared = norm.ppf(auc) * np.sqrt(2), 0.7 if images > 1 else 0.0
    names = np.repeat(np.arange(patients).astype(str), images).tolist()
    by_patient, by_image, length = [], [], []
    while len(by_patient) < trials:
        label = rng.random(patients) < 0.4 if positives is None else np.arange(patients) < positives
        if label.all() or not label.any():
            continue
        of_patient, of_image = rng.normal(size=(patients, 1)), rng.normal(size=(patients, images))
        scores = np.sqrt(shared) * of_patient + np.sqrt(1 - shared) * of_image
        second = norm.cdf(scores + shift * label[:, None]).ravel()
        labels, probabilities = np.repeat(label.astype(int), images), np.stack([1 - second, second], axis=1)
        interval = auc_interval(labels, probabilities, names)
        alone = auc_interval(labels, probabilities)
        by_patient.append(interval.low <= auc <= interval.high)
        by_image.append(alone.low <= auc <= alone.high)
        length.append(interval.high - interval.low)
    return {"by patient": np.mean(by_patient), "by image": np.mean(by_image), "length": np.mean(length)}


def run_table(trials: int) -> None:
    print(
        f"\nCoverage of one run's AUC interval, {trials} trials\n\n"
        "| patients | images each | positive patients | AUC | by patient | by image |"
    )
    print("|---|---|---|---|---|---|")
    for patients, images, positives, auc in RUNS:
        found = run_coverage(patients, images, positives, auc, trials)
        whose = "40 %" if positives is None else positives
        print(
            f"| {patients} | {images} | {whose} | {auc} | {found['by patient']:.3f} | {found['by image']:.3f} |",
            flush=True,
        )


# images or patients, images each, prevalences of the classes, distance of a class's own logit
CLASSES = (
    (150, 1, (0.34, 0.33, 0.33), 1.5), (150, 1, (0.7, 0.2, 0.1), 1.5), (60, 1, (0.34, 0.33, 0.33), 1.0),
    (400, 1, (0.6, 0.3, 0.1), 2.5), (300, 1, (0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05), 1.5),
    (80, 4, (0.34, 0.33, 0.33), 1.5), (40, 5, (0.6, 0.3, 0.1), 1.5), (20, 10, (0.34, 0.33, 0.33), 1.0),
)  # fmt: skip


def classes_coverage(
    patients: int, images: int, prevalences: tuple[float, ...], distance: float, trials: int, seed: int = 0
) -> tuple[float, float, float]:
    """Returns the AUC of a large sample, and the coverage of its interval by patient and by image."""
    rng, count = np.random.default_rng(seed), len(prevalences)
    shared = 0.7 if images > 1 else 0.0

    def draw(patients: int, images: int) -> tuple[np.ndarray, np.ndarray]:
        label = rng.choice(count, patients, p=prevalences)
        of_patient, of_image = rng.normal(size=(patients, 1, count)), rng.normal(size=(patients, images, count))
        scores = np.sqrt(shared) * of_patient + np.sqrt(1 - shared) * of_image
        logits = (scores + distance * np.eye(count)[label][:, None]).reshape(-1, count)
        odds = np.exp(logits)
        return np.repeat(label, images), odds / odds.sum(axis=1, keepdims=True)

    # weighted by the expected prevalences
    labels, probabilities = draw(400_000, 1)
    truth = float(np.dot(prevalences, [metrics.auroc(labels == c, probabilities[:, c]) for c in range(count)]))
    names, covered = np.repeat(np.arange(patients).astype(str), images).tolist(), []
    for _ in range(trials):
        labels, probabilities = draw(patients, images)
        found = [auc_interval(labels, probabilities, who) for who in (names, None)]
        covered.append([interval.low <= truth <= interval.high for interval in found])
    return truth, *np.mean(covered, axis=0)


def classes_table(trials: int) -> None:
    print(f"\nCoverage of one run's AUC interval with several classes, {trials} trials\n")
    print("| patients | images each | prevalences | AUC | by patient | by image |\n|---|---|---|---|---|---|")
    for patients, images, prevalences, distance in CLASSES:
        truth, *covered = classes_coverage(patients, images, prevalences, distance, trials)
        shares = ", ".join(f"{share:.0%}" for share in prevalences)
        print(f"| {patients} | {images} | {shares} | {truth:.3f} | {covered[0]:.3f} | {covered[1]:.3f} |", flush=True)


PROBES = ((200, 20, 1.0), (200, 100, 2.0), (400, 50, 1.2), (400, 100, 2.5))  # images, features, separation


def probe_coverage(images: int, features: int, separation: float, trials: int, seed: int = 0) -> dict[str, float]:
    """Returns the coverage of the AUC on new images: of the probes of all trials, and of the five of the same trial."""
    from sklearn.model_selection import StratifiedKFold

    rng, found = np.random.default_rng(seed), []
    for trial in range(trials):
        labels = (rng.random(images) < 0.4).astype(int)
        values = rng.normal(size=(images, features))
        values[:, 0] += separation * labels
        folds = list(StratifiedKFold(5, shuffle=True, random_state=trial).split(values, labels))
        fitted = probe.fit(values, labels, [train for train, _ in folds])
        aucs = [metrics.auc(labels[test], fitted.probabilities[k, test]) for k, (_, test) in enumerate(folds)]
        logits = np.diff(np.log(fitted.probabilities), axis=2)[..., 0].T
        weights = np.linalg.lstsq(np.column_stack([values, np.ones(images)]), logits, rcond=None)[0][:-1]
        on_new = norm.cdf(separation * weights[0] / np.linalg.norm(weights, axis=0) / np.sqrt(2))
        interval = corrected_t(np.array(aucs), 0.25)
        found.append((interval.low, interval.high, interval.value, on_new.mean()))
    low, high, value, on_new = np.transpose(found)
    return {
        "estimate": value.mean(),
        "AUC on new images": on_new.mean(),
        "covered": np.mean((low <= on_new.mean()) & (on_new.mean() <= high)),
        "these five probes covered": np.mean((low <= on_new) & (on_new <= high)),
    }


def probe_table(trials: int) -> None:
    print(f"\nCoverage of a linear probe's AUC interval over five folds, {trials} trials\n")
    for number, setting in enumerate(PROBES):
        found = probe_coverage(*setting, trials)
        if number == 0:
            print("| images | features | separation | " + " | ".join(found) + " |")
            print("|" + "---|" * (3 + len(found)))
        print("| " + " | ".join([*map(str, setting), *(f"{value:.3f}" for value in found.values())]) + " |", flush=True)


PARTS = {"run": run_table, "classes": classes_table, "probe": probe_table}


def main() -> None:
    """Prints the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--trials", type=int, default=1000)
    arguments = parser.parse_args()
    for part in arguments.parts or PARTS:
        PARTS[part](arguments.trials)


if __name__ == "__main__":
    main()
