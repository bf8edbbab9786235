"""Defines the stages of a study, one file each, found by its name.

A stage declares

    ORDER: int                                      # its place among the stages
    work(plan, earlier) -> Iterator[WorkItem]       # the remaining work; earlier: the items of the stages before
    write_tables(plan) -> None                      # writes its tables in `plan.results`, from files on disk

Another installed package can provide a stage through an entry point of the group `tljax.study.stages`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from tljax.core import plugins
from tljax.study.plan import Plan
from tljax.study.work import WorkItem


@runtime_checkable
class Stage(Protocol):
    """A module of this package."""

    ORDER: int

    def work(self, plan: Plan, earlier: Sequence[WorkItem]) -> Iterator[WorkItem]:
        """Yields the remaining work. earlier: the items of the stages before."""
        ...

    def write_tables(self, plan: Plan) -> None:
        """Writes the tables of the stage from files on disk."""
        ...


def stages() -> list[Stage]:
    """Returns all stages in their order."""
    found: list[Any] = list(plugins.find(__name__, __path__).values())
    return sorted(found, key=lambda stage: stage.ORDER)


def make_work(plan: Plan) -> list[WorkItem]:
    """Returns all remaining work, ordered by group, so that comparisons can start early."""
    items: list[WorkItem] = []
    for stage in stages():
        items += stage.work(plan, tuple(items))
    position = {group[0].place: number for number, group in enumerate(plan.groups)}

    def place(item: WorkItem) -> int:
        return position.get(item.place, -1) if item.place else -1

    return sorted(items, key=place)  # the sort is stable, so the order of the stages is kept


def write_tables(plan: Plan) -> None:
    """Writes `results/` from every finished run and comparison of the grid."""
    for stage in stages():
        stage.write_tables(plan)
