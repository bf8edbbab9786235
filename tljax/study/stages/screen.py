"""The stage that screens the initialisations of each task by their frozen features, before fine-tuning."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tljax.core.config import ScreenConfig
from tljax.study.plan import Plan
from tljax.study.shortlist import folder_of, settings_of
from tljax.study.work import WorkItem

ORDER = 25  # after the pre-trainings, whose networks are candidates


def work(plan: Plan, earlier: Sequence[WorkItem]) -> Iterator[WorkItem]:
    """Yields one item for each task that has not been screened."""
    if not plan.config.screen:
        return
    training = {item.folder: item.name for item in earlier if item.folder}
    for task in dict.fromkeys(run.config.dataset for run in plan.picked):
        if (folder_of(plan.config.workdir, task) / "shortlist.csv").exists():
            continue
        own = [run for run in plan.picked if run.config.dataset == task]
        called = {str(run.config.init): run.label for run in own}
        needs = frozenset(training[run.source] for run in own if run.source in training)
        settings = settings_of(plan.config, task)
        yield WorkItem(f"screen {task}", functools.partial(screen_task, settings, called), needs=needs)


def screen_task(settings: Mapping[str, Any], called: Mapping[str, str]) -> None:
    """Screens the initialisations of a task. called: value for --init -> label."""
    from tljax.screen.screening import screen

    screen(ScreenConfig(**settings, networks=tuple(called), quiet=True), called)


def write_tables(plan: Plan) -> None:
    """Writes nothing: the screening itself writes its tables."""
