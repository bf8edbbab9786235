"""Prints what a study would do (`--dry-run`)."""

import shutil
from collections.abc import Iterable, Iterator

from rich.table import Table

from tljax.core.config import StudyConfig
from tljax.core.progress import output
from tljax.study.display import duration, show_left_out
from tljax.study.estimate import Estimate, estimate
from tljax.study.planned import PlannedRun
from tljax.study.record import corrupt
from tljax.study.repeats import has_same_input, originals
from tljax.study.run import make_plan


def show_grid(config: StudyConfig) -> None:
    """Prints the runs, what is left out and why, and an estimate of time and disk space."""
    plan = make_plan(config)
    planned = [*plan.grid.pretrain, *plan.picked]
    table = Table("task", "network", "folds", "finished", box=None)
    for row in _rows(planned):
        table.add_row(*row)
    output.print(table, soft_wrap=False)
    show_left_out(output, plan.grid.left_out)
    for name, why in corrupt(planned).items():
        output.print(f"{name} cannot be read: {why}")
    todo = [run for run in planned if run.status == "unfinished"]
    done = sum(run.finished for run in planned)
    output.print(f"{len(planned)} run{'s' * (len(planned) != 1)}, {done} of them finished")
    original_of = originals(plan.grid.runs)
    copies = [run for run in todo if run.folder in original_of and has_same_input(run)]
    if copies:
        labels = ", ".join(dict.fromkeys(run.label for run in copies))
        output.print(f"{len(copies)} of them are copied, not trained: the native input of {labels} is the paper's")
    if todo:
        _show_cost(plan.config, estimate(plan.config, todo, copies))


def _show_cost(config: StudyConfig, cost: Estimate) -> None:
    parent = next(folder for folder in (config.workdir, *config.workdir.parents) if folder.exists())
    free = shutil.disk_usage(parent).free
    output.print(
        f"roughly {duration(cost.seconds)} of training on {cost.device} ({cost.basis}) if no run stops early, plus the "
        f"comparisons\n{cost.bytes / 1e9:.1f} GB on disk; {free / 1e9:.1f} GB are free in {parent}"
    )


def _rows(planned: Iterable[PlannedRun]) -> Iterator[tuple[str, str, str, str]]:
    rows: dict[tuple[str, str], list[PlannedRun]] = {}
    for run in planned:
        rows.setdefault((run.config.dataset, run.variant), []).append(run)
    for (task, network), found in rows.items():
        folds = " ".join(str(run.config.fold) for run in found)
        yield task, network, folds, str(sum(run.finished for run in found))
