"""The tables of the first part of the page: each task's results under the condition of its verdict, and all tasks."""

from collections.abc import Mapping, Sequence

from tljax.report.analysis.comparisons import PairTest
from tljax.report.analysis.conditions import Condition
from tljax.report.analysis.study import Study, Task
from tljax.report.analysis.tasks import ArmResult
from tljax.report.elements import Table
from tljax.report.published import results as published
from tljax.report.wording.names import (
    NONE,
    condition_name,
    init_name,
    interval,
    listed,
    mean_sd,
    p_value,
    plain,
    probability,
    signed,
    task_size,
)

COLUMNS = (
    "start from", "test AUC, mean ± SD over folds", "95 % interval", "difference from best",
    "95 % interval of difference", "p over folds", "p over images", "probability of being best", "folds",
    "SD over seeds", "held-out AUC", "published held-out AUC",
)  # fmt: skip


def results_table(task: Task, condition: Condition) -> Table:
    """Returns AUC, its uncertainty, the difference from the leading initialisation, and the published AUC."""
    arms = task.under(condition)
    pairs = task.results[condition].pairs
    leader = pairs[0].first if pairs else None  # by the mean over common folds, which need not be that of all folds
    differences = {pair.second: pair for pair in pairs if pair.first == leader}
    chances = dict(task.verdict.probability_best or {}) if condition == task.condition else {}
    rows = [_row(task, arm, differences.get(arm.init), chances) for arm in arms]
    compared = any(row[-1] != NONE for row in rows)
    keep = [i for i in range(len(COLUMNS)) if i < 2 or any(row[i] != NONE for row in rows)]
    keep = [i for i in keep if compared or i < len(COLUMNS) - 2]
    columns = [COLUMNS[i] for i in keep]
    return Table(
        name=f"results-{task.name}-{condition_name(condition)}",
        caption=_caption(task, condition, columns),
        columns=columns,
        rows=[[row[i] for i in keep] for row in rows],
        best=frozenset(number for number, arm in enumerate(arms) if arm.init == leader),
    )


def _caption(task: Task, condition: Condition, columns: Sequence[str]) -> str:
    sentences = [f"Test AUC on {task.name} ({condition_name(condition)}; {task_size(task)})."]
    if "95 % interval" in columns:
        sentences.append("The interval of the mean is that of the corrected resampled t-test over folds.")
    if "difference from best" in columns:
        sentences.append(
            "Means are over all folds of an initialisation; differences are over the folds that all of them share."
        )
    if "p over folds" in columns:
        sentences.append("p over folds: the same test, adjusted for the number of pairs.")
    if "p over images" in columns:
        sentences.append(f"p over images: DeLong's test over test {task.facts.unit}.")
    if COLUMNS[-1] in columns:
        sentences.append(
            "The published AUCs are not test AUCs: they are of all images held out in a fold, validation and test "
            "images together, and the validation images chose the epoch that was kept. The held-out AUC is ours over "
            "the same images, to compare with them. The result of this study is the test AUC. Published: "
            f"{published.SOURCE}."
        )
    return " ".join(sentences)


def _row(task: Task, arm: ArmResult, pair: PairTest | None, chances: Mapping[str, float]) -> Sequence[str]:
    paper = published.auc_of(task.name, arm)
    return [
        init_name(arm.init),
        mean_sd(list(arm.aucs.values())),
        interval(arm.mean.low, arm.mean.high),
        signed(-pair.t.value) if pair else NONE,
        interval(-pair.t.high, -pair.t.low) if pair else NONE,
        p_value(pair.adjusted_p) if pair else NONE,
        p_value(pair.delong.p) if pair else NONE,
        probability(chances[arm.init]) if arm.init in chances else NONE,
        str(len(arm.aucs)),
        plain(arm.seed_spread),
        mean_sd(list(arm.aucs_held_out.values())),
        str(paper) if paper else NONE,
    ]


def overview_table(study: Study) -> Table:
    """Returns the verdict and the AUCs of every task, under the condition of its verdict."""
    inits = sorted({arm.init for task in study.tasks for arm in task.arms})
    rows = []
    for task in study.tasks:
        aucs = {arm.init: list(arm.aucs.values()) for arm in task.under(task.condition)}
        start = {"cannot": "no verdict", "none": "no difference shown"}.get(task.verdict.kind)
        start = start or listed([init_name(init) for init in task.verdict.leaders], "or")
        rows.append([task.name, start, *(mean_sd(aucs.get(init, [])) for init in inits)])
    caption = (
        "The initialisations that are not shown to be worse than another, and the test AUC of each (mean ± SD over "
        "folds), by task. The 5 % level of each verdict holds for its task alone."
    )
    return Table("overview", caption, ("task", "start from", *map(init_name, inits)), rows, words=2)
