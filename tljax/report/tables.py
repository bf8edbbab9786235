"""The tables of the report."""

from collections.abc import Sequence

import numpy as np

from tljax.report import published
from tljax.report.gather import Study
from tljax.report.names import init_name, listed, p_value, plain, probability, signed
from tljax.report.table import Table
from tljax.report.task import FREEZE, PREPROCESSING, Axis, Task
from tljax.report.trials import Condition
from tljax.statistics import intervals


def _mean_sd(values: Sequence[float]) -> str:
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return "–"
    return plain(float(np.mean(known))) + (f" ± {plain(float(np.std(known, ddof=1)))}" if len(known) > 1 else "")


def _range(low: float, high: float) -> str:
    return f"{plain(low)} to {plain(high)}" if np.isfinite(low) else "–"


def _of_seeds(task: Task) -> str:
    """What is said of figures that the predictions of one network a fold are made from."""
    return ", of the lowest seed of each fold" if len({trial.seed for trial in task.trials}) > 1 else ""


def results(task: Task, condition: Condition) -> Table:
    """The main table: AUC, its uncertainty, the difference to the best, and what the paper found."""
    arms = [arm for arm in task.arms if arm.condition == condition]
    best = arms[0]
    pairs = {pair.second: pair for pair in task.pairs[condition] if pair.first == best.init}
    chances = dict(task.verdict.probability_best or {}) if condition == task.condition else {}
    rows = []
    for arm in arms:
        pair = pairs.get(arm.init)
        paper = published.auc(task.name, arm.init, condition.freeze)
        mean = task.mean(arm)
        rows.append(
            [
                arm.name,
                _mean_sd(list(task.aucs(arm).values())),
                _range(mean.low, mean.high),
                signed(-pair.t.value) if pair else "–",
                _range(-pair.t.high, -pair.t.low) if pair else "–",
                p_value(pair.adjusted_p) if pair else "–",
                p_value(pair.delong.p) if pair else "–",
                probability(chances[arm.init]) if arm.init in chances else "–",
                str(len(task.aucs(arm))),
                plain(task.seed_spread(arm)),
                f"{paper.mean:.3f} ± {paper.sd:.3f}" if paper else "–",
            ]
        )
    columns = (
        "start from", "AUC, mean ± SD over folds", "95 % interval", "Δ to best", "95 % interval of Δ", "p (t, Holm)",
        "p (DeLong)", "P(best)", "folds", "SD over seeds", "published",
    )  # fmt: skip
    caption = f"Test AUC on {task.name} ({condition}; {task.size}). Intervals: corrected resampled t-test over folds."
    if pairs:
        caption += (
            " Means are over all folds of each, differences over the folds that all share. The first p: the same test, "
            "Holm over tasks and, unless the best beats all others, over pairs; the second: DeLong's test over test "
            f"{task.unit}{_of_seeds(task)}."
        )
    if any(row[-1] != "–" for row in rows):
        caption += f" Published: {published.SOURCE}."
    keep = [i for i, name in enumerate(columns) if i < 3 or any(row[i] != "–" for row in rows)]
    return Table(
        name=f"results-{task.name}-{condition}",
        caption=caption,
        columns=[columns[i] for i in keep],
        rows=[[row[i] for i in keep] for row in rows],
        best=frozenset([0] if len(arms) > 1 else []),
    )


def overview(study: Study) -> Table:
    """All tasks at a glance, under the condition of their verdicts."""
    inits = sorted({arm.init for task in study.tasks for arm in task.arms})
    rows = []
    for task in study.tasks:
        aucs = {arm.init: task.aucs(arm) for arm in task.arms if arm.condition == task.condition}
        leaders = [init_name(init) for init in task.verdict.leaders]
        start = {"cannot": "no verdict", "none": "no detectable difference"}.get(task.verdict.kind)
        rows.append(
            [
                task.name,
                start or listed(leaders, "or"),
                *(_mean_sd(list(aucs.get(init, {}).values())) for init in inits),
            ]
        )
    columns = ("task", "start from", *map(init_name, inits))
    caption = (
        "The initialisations that nothing is shown to beat, and the test AUC of each, mean ± SD over folds, by task."
    )
    return Table("overview", caption, columns, rows, words=2)


def scores(task: Task) -> Table:
    """Scores beside the AUC."""
    named = {
        "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "f1": "F1",
        "sensitivity": "sensitivity at 95 % specificity", "brier": "Brier score",
        "calibration_error": "calibration error",
    }  # fmt: skip
    rows = []
    for arm in task.arms:
        trials = task.of_arm(arm)
        figures = [_mean_sd([trial.scores[key] for trial in trials]) for key in named]
        rows.append([arm.name, str(arm.condition), *figures, _mean_sd([trial.auc_keras for trial in trials])])
    caption = f"Further scores on the test images of {task.name}, mean ± SD over folds and seeds."
    if len(task.classes) > 2:
        caption += " Sensitivity and F1: one class against the rest, averaged."
    columns = ["start from", "condition", *named.values(), "AUC as Keras (micro)"]
    return Table(f"scores-{task.name}", caption, columns, rows, words=2)


def pairs(study: Study) -> Table:
    """Every pair of initialisations under every condition."""
    rows = []
    for task in study.tasks:
        for condition, found in task.pairs.items():
            for pair in found:
                rows.append(
                    [
                        task.name, str(condition), f"{init_name(pair.first)} – {init_name(pair.second)}",
                        signed(pair.t.value), _range(pair.t.low, pair.t.high), p_value(pair.t.p),
                        p_value(pair.adjusted_p), _range(pair.delong.low, pair.delong.high), p_value(pair.delong.p),
                    ]
                )  # fmt: skip
    columns = (
        "task", "condition", "pair", "Δ AUC", "95 % interval", "p (t)", "p (t, Holm)", "DeLong's interval",
        "p (DeLong)",
    )  # fmt: skip
    caption = (
        "Every pair of initialisations on the folds that all of its condition share. Holm: over tasks and, unless the "
        "best beats all others, over the pairs of a task."
    )
    if any(map(_of_seeds, study.tasks)):
        caption += " DeLong's test is of the lowest seed of each fold."
    return Table("pairs", caption, columns, rows, words=3)


def contrasts(study: Study, axis: Axis) -> Table:
    """One way of an axis against the other, initialisation by initialisation."""
    found = [(task.name, contrast) for task in study.tasks for contrast in task.contrasts(axis)]
    adjusted = intervals.holm([contrast.t.p for _, contrast in found])
    rows = [
        [
            name, contrast.first.name, contrast.first.condition.told(axis.setting) or "–", *map(plain, contrast.means),
            signed(contrast.t.value), _range(contrast.t.low, contrast.t.high), p_value(contrast.t.p), p_value(p),
            str(contrast.folds),
        ]
        for (name, contrast), p in zip(found, adjusted, strict=True)
    ]  # fmt: skip
    columns = (
        "task", "start from", "condition", *(f"AUC, {way}" for way in axis.ways), f"Δ ({' − '.join(axis.ways)})",
        "95 % interval of Δ", "p (t)", "p (t, Holm)", "folds",
    )  # fmt: skip
    caption = (
        f"{axis.ways[0].capitalize()} against {axis.ways[1]}, paired by fold: corrected resampled t-test; Holm over "
        "the rows of this table."
    )
    return Table(axis.setting, caption, columns, rows, words=3)


def agreements(study: Study) -> Table:
    """Prediction similarity of every pair, all folds' test images together."""
    rows = []
    for task in study.tasks:
        for condition in conditions(task):
            for first, second, found in task.agreements(condition):
                paper = published.prediction_similarity(task.name, condition.freeze)
                paper = paper if (first, second) == ("imagenet", "radimagenet") else None
                rows.append(
                    [
                        task.name, str(condition), f"{init_name(first)} – {init_name(second)}",
                        plain(found.observed), _range(found.low, found.high), plain(found.independent),
                        plain(found.authors_independent), plain(found.kappa), p_value(found.mcnemar_p), str(found.n),
                        f"{paper[0].mean:.3f} ({paper[1].mean:.3f})" if paper else "–",
                    ]
                )  # fmt: skip
    columns = (
        "task", "condition", "pair", "both right or both wrong", "95 % interval", "if independent",
        "authors' baseline", "kappa", "p (McNemar)", "images", "published (their baseline)",
    )  # fmt: skip
    caption = (
        "Prediction similarity on the test images: the share on which both networks are right or both wrong, and what "
        "it would be, were their errors independent. The authors' baseline squares the first network's accuracy; "
        "their published figures are of validation images."
    )
    if any(map(_of_seeds, study.tasks)):
        caption += " Where a fold has several seeds, the lowest."
    return Table("prediction-similarity", caption, columns, rows, words=3)


def cost(study: Study) -> Table:
    """Time and throughput."""
    rows = []
    for task in study.tasks:
        for arm in task.arms:
            trials = task.of_arm(arm)
            epochs = [float(len(trial.run.metrics)) for trial in trials]
            seconds = [_figure(trial.run.result.get("seconds")) for trial in trials]
            rate = [_figure(row.get("images_per_second")) for trial in trials for row in trial.run.metrics[1:]]
            memory = [_figure(row.get("device_memory_bytes")) for trial in trials for row in trial.run.metrics]
            devices = sorted({str(trial.run.config.get("devices", "–")) for trial in trials})
            rows.append(
                [
                    task.name, arm.name, str(arm.condition), ", ".join(devices), _median(epochs, "{:.0f}"),
                    _median(seconds, "{:.0f}"), _median(rate, "{:.0f}"), _median([m / 2**30 for m in memory], "{:.2f}"),
                ]
            )  # fmt: skip
    columns = ("task", "start from", "condition", "device", "epochs", "seconds a run", "images/s", "device memory, GiB")
    return Table(
        "cost", "What the runs cost: medians; images/s without each run's first epoch.", columns, rows, words=4
    )


def runs(study: Study) -> Table:
    """Every run folder."""
    scored = {trial.run.path: (trial, task) for task in study.tasks for trial in task.trials}
    rows = []
    for run in study.runs:
        trial, _ = scored.get(run.path, (None, None))
        rows.append(
            [
                str(run.path.relative_to(study.workdir)), run.status,
                str(run.settings.get("seed", "–")) if run.status != "corrupt" else "–",
                plain(trial.auc.value) if trial else "–", _range(trial.auc.low, trial.auc.high) if trial else "–",
                plain(trial.auc_keras) if trial else "–", plain(trial.scores["accuracy"]) if trial else "–",
                str(run.result.get("epoch", "–")) if trial else "–", str(len(run.metrics)) if trial else "–",
            ]
        )  # fmt: skip
    columns = ("run", "status", "seed", "test AUC", "95 % interval", "AUC as Keras", "accuracy", "epoch kept", "epochs")
    caption = "Every run folder. Intervals: bootstrap over patients, or over images where patients are unknown."
    return Table("runs", caption, columns, rows, words=2)


def settings(study: Study) -> Table:
    """Every setting, and the values that the runs have of it."""
    values: dict[str, dict[str, None]] = {}
    for run in study.runs:
        if run.status != "corrupt":
            for key, value in run.settings.items():
                values.setdefault(key, {})[str(value)] = None
    rows = [[key.replace("_", " "), ", ".join(found)] for key, found in values.items()]
    return Table(
        "settings", "Every setting of the runs, with each value that it has.", ("setting", "values"), rows, words=2
    )


def all_tables(study: Study) -> dict[str, Table | list[Table]]:
    """By the section of the page that shows them."""
    return {
        "results": [results(task, condition) for task in study.tasks for condition in conditions(task)],
        "scores": [scores(task) for task in study.tasks],
        "pairs": pairs(study),
        "preprocessing": contrasts(study, PREPROCESSING),
        "freeze": contrasts(study, FREEZE),
        "agreements": agreements(study),
        "cost": cost(study),
        "runs": runs(study),
        "settings": settings(study),
    }


def conditions(task: Task) -> list[Condition]:
    """Of a task, that of its verdict first."""
    return list(dict.fromkeys(arm.condition for arm in task.arms))


def _figure(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _median(values: Sequence[float], pattern: str) -> str:
    known = [value for value in values if np.isfinite(value)]
    return pattern.format(np.median(known)) if known else "–"
