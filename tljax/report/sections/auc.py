"""How well the networks classify: AUC, ROC curves, other scores and all pairs."""

from tljax.report.analysis.study import Study, Task
from tljax.report.answer import results_table
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, Table, section
from tljax.report.figures import auc_boxes, roc
from tljax.report.wording.names import condition_name, init_name, interval, mean_sd, p_value, signed

ORDER = 10

SCORES = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "f1": "F1",
    "sensitivity": "sensitivity at 95 % specificity", "brier": "Brier score", "calibration_error": "calibration error",
}  # fmt: skip


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    conditions = [(task, condition) for task in study.tasks for condition in task.conditions]
    others = [(task, condition) for task, condition in conditions if condition != task.condition]
    return section(
        "auc",
        "How well do the networks classify?",
        [
            auc_boxes.draw(gallery, study),
            *(roc.draw(gallery, *both) for both in conditions),
            *(results_table(*both) for both in others),
            *map(scores_table, study.tasks),
            pairs_table(study),
        ],
        "Every initialisation is trained once per fold and seed. The AUC is measured on the test images of the fold.",
    )


def scores_table(task: Task) -> Table:
    """Returns the other scores of every initialisation and condition."""
    rows = [
        [
            init_name(arm.init),
            condition_name(arm.condition),
            *(mean_sd([trial.scores[key] for trial in arm.trials]) for key in SCORES),
            mean_sd([trial.auc_keras for trial in arm.trials]),
        ]
        for arm in task.arms
    ]
    several = len(task.facts.classes) > 2
    caption = f"Other scores on the test images of {task.name}, mean ± SD over runs." + (
        " F1: mean over classes. Sensitivity: of each class against the rest, weighted by prevalence. Brier score: "
        "summed over classes, 0 to 2."
        if several
        else ""
    )
    columns = ("start from", "condition", *SCORES.values(), "AUC as Keras (micro-average)")
    return Table(f"scores-{task.name}", caption, columns, rows, words=2)


def pairs_table(study: Study) -> Table:
    """Returns every pair of initialisations under every condition."""
    rows = [
        [
            task.name, condition_name(condition), f"{init_name(pair.first)} – {init_name(pair.second)}",
            signed(pair.t.value), interval(pair.t.low, pair.t.high), p_value(pair.t.p), p_value(pair.adjusted_p),
            interval(pair.delong.low, pair.delong.high), p_value(pair.delong.p),
        ]
        for task in study.tasks
        for condition, result in task.results.items()
        for pair in result.pairs
    ]  # fmt: skip
    columns = (
        "task", "condition", "pair", "difference in AUC", "95 % interval over folds", "p over folds",
        "p over folds, adjusted", "95 % interval over images", "p over images",
    )  # fmt: skip
    caption = (
        "Every pair of initialisations, on the folds that all initialisations of the condition share. Over folds: "
        "corrected resampled t-test. Over images: DeLong's test. Adjusted: by Holm's method over the pairs of a task "
        "and condition; if the best initialisation beats all others, those pairs are not adjusted and the remaining "
        "ones are adjusted among themselves."
    )
    return Table("pairs", caption, columns, rows, words=3)
