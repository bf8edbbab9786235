"""The stage that removes the weights of runs once nothing needs them (`--keep none`)."""

import functools
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tljax.core import runs
from tljax.study.plan import Plan
from tljax.study.planned import Place, PlannedRun
from tljax.study.work import WorkItem

ORDER = 90


def work(plan: Plan, earlier: Sequence[WorkItem]) -> Iterator[WorkItem]:
    """Yields one item for each group that has weights, or will have them.

    It needs the work on the group itself, and the runs of other groups that are copied from it.
    """
    if plan.config.keep != "none":
        return
    of_place: dict[Place | None, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for item in earlier:
        of_place[item.place].append(item.name)
        for name in item.after:
            after[name].append(item.name)
    for group in plan.groups:
        place, trained = group[0].place, all(run.finished for run in group)
        if not trained or any((run.folder / runs.CHECKPOINT).exists() for run in group):
            needs = frozenset([*of_place[place], *(name for run in group for name in after[str(run)])])
            name = f"remove weights of {group[0].place_name}"
            yield WorkItem(name, functools.partial(forget, group), needs=needs, place=place)


def forget(group: Sequence[PlannedRun]) -> None:
    """Removes the weights of runs."""
    for run in group:
        shutil.rmtree(run.folder / runs.CHECKPOINT, ignore_errors=True)


def write_tables(plan: Plan) -> None:
    """Writes nothing: this stage has no tables."""
