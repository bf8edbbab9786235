"""Runs all work items of a study, each as soon as the items before it have ended."""

import graphlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Protocol, runtime_checkable

from tljax.core.errors import Requeue
from tljax.core.signals import Termination
from tljax.study.work import Outcome, WorkItem

POLL = 1.0  # seconds


@runtime_checkable
class Launcher(Protocol):
    """Runs work items. `local.py` and `slurm.py` implement it."""

    @property
    def free(self) -> int:
        """The number of items that can be submitted now."""
        ...

    def submit(self, items: list[WorkItem]) -> None:
        """Starts items."""
        ...

    def collect(self, seconds: float) -> list[tuple[WorkItem, Outcome]]:
        """Returns the items that have ended, after waiting for at most this many seconds."""
        ...

    def stop(self) -> bool:
        """Tells the launcher that this process was asked to end. Returns whether to wait for the running items."""
        ...

    def close(self) -> None:
        """Ends the launcher."""
        ...


@runtime_checkable
class Display(Protocol):
    """Shows the progress of the schedule."""

    def update(self, running: Iterable[WorkItem]) -> None:
        """Shows which items are running."""
        ...

    def ended(self, item: WorkItem, outcome: Outcome) -> None:
        """Shows that an item has ended."""
        ...


class Queue:
    """The work items that wait for others, and those that are ready, in the given order."""

    def __init__(self, items: Sequence[WorkItem]):
        self._items = {item.name: item for item in items}
        self._position = {name: number for number, name in enumerate(self._items)}
        graph = {item.name: (item.after | item.needs) & self._items.keys() for item in items}
        self._waiting = graphlib.TopologicalSorter(graph)
        self._waiting.prepare()
        self._ready: list[tuple[int, str]] = []
        self._lost: set[str] = set()

    def __bool__(self) -> bool:
        return self._waiting.is_active()

    def take(self, count: int) -> list[WorkItem]:
        """Takes at most `count` items that are ready."""
        for name in self._waiting.get_ready():
            heapq.heappush(self._ready, (self._position[name], name))
        return [self._items[heapq.heappop(self._ready)[1]] for _ in range(min(count, len(self._ready)))]

    def ended(self, item: WorkItem, outcome: Outcome) -> None:
        """Records the outcome of an item, so that items after it can become ready."""
        if outcome.status != "done":
            self._lost.add(item.name)
        self._waiting.done(item.name)

    def is_lost(self, item: WorkItem) -> bool:
        """Returns whether something that an item needs has failed."""
        return not item.needs.isdisjoint(self._lost)


def run_all(items: Sequence[WorkItem], launcher: Launcher, display: Display, outcomes: dict[str, Outcome]) -> None:
    """Runs the items, and adds the outcome of each to `outcomes` when it ends, so that an interruption loses none.

    Raises Requeue after SIGTERM, when the state of all running items is saved.
    """
    queue, running, stopping = Queue(items), {}, False

    def settle(item: WorkItem, outcome: Outcome) -> None:
        outcomes[item.name] = outcome
        queue.ended(item, outcome)
        display.ended(item, outcome)

    with Termination() as signal, closing(launcher):
        while queue and (running or not stopping):
            if not stopping and (ready := list(_ready(queue, launcher.free, settle))):
                running |= {item.name: item for item in ready}
                launcher.submit(ready)
            display.update(running.values())
            for item, outcome in launcher.collect(POLL) if running else ():
                del running[item.name]
                if outcome.died and signal.received:  # it could not save its state, or ended before it was asked to
                    outcome = Outcome("stopped")
                settle(item, outcome)
                stopping |= outcome.halts
            if signal.received and not stopping:
                stopping = True
                if not launcher.stop():
                    break
    if signal.received:
        raise Requeue("the study is saved; run the same command again to continue")


def _ready(queue: Queue, count: int, settle: Callable[[WorkItem, Outcome], None]) -> Iterator[WorkItem]:
    """Yields at most `count` items that can run now, and records the failure of those that cannot run any more."""
    while count > 0 and (taken := queue.take(count)):
        for item in taken:
            if queue.is_lost(item):
                settle(item, Outcome("failed", "a work item that it needs has failed"))
            else:
                count -= 1
                yield item
