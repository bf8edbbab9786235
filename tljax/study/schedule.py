"""Does all units of a study, each as soon as those before it have ended."""

from collections.abc import Sequence
from contextlib import closing
from typing import Protocol, runtime_checkable

from tljax.core.errors import Requeue
from tljax.core.signals import Termination
from tljax.study.display import StudyDisplay
from tljax.study.units import Outcome, Unit

POLL = 1.0  # seconds


@runtime_checkable
class Launcher(Protocol):
    """Where units run. `local.py` and `slurm.py` hold one each."""

    @property
    def free(self) -> int:
        """How many more units it takes now."""
        ...

    def submit(self, units: list[Unit]) -> None:
        """Starts units."""
        ...

    def collect(self, seconds: float) -> list[tuple[Unit, Outcome]]:
        """The units that have ended, after at most this many seconds."""
        ...

    def stop(self) -> bool:
        """This process was asked to end; whether it is to wait for the running units."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


def run_all(units: Sequence[Unit], launcher: Launcher, display: StudyDisplay, outcomes: dict[str, Outcome]) -> None:
    """Puts the outcome of every unit into `outcomes`, by name, as it ends: who is interrupted still has those so far.

    Raises Requeue after SIGTERM, once all that ran has been saved.
    """
    waiting, running = {unit.name: unit for unit in units}, {}
    stopping = False
    with Termination() as signal, closing(launcher):
        while waiting or running:
            while not stopping and (unit := _hopeless(waiting, outcomes)):
                outcomes[unit.name] = Outcome("failed", "what it builds on failed")
                display.ended(waiting.pop(unit.name), outcomes[unit.name])
            ready = [] if stopping else _ready(waiting, running)[: launcher.free]
            for unit in ready:
                running[unit.name] = waiting.pop(unit.name)
            if ready:
                launcher.submit(ready)
            display.update(running.values())
            for unit, outcome in launcher.collect(POLL):
                del running[unit.name]
                if outcome.died and signal.received:  # it cannot save, or heard the signal before it was passed on
                    outcome = Outcome("stopped")
                outcomes[unit.name] = outcome
                display.ended(unit, outcome)
                stopping |= outcome.halts
            if signal.received and not stopping:
                stopping = True
                if not launcher.stop():
                    break
            if stopping and not running:
                break
    if signal.received:
        raise Requeue("the study is saved; run the same command again to go on")


def _ready(waiting: dict[str, Unit], running: dict[str, Unit]) -> list[Unit]:
    unsettled = waiting.keys() | running.keys()
    return [unit for unit in waiting.values() if not (unit.after | unit.needs) & unsettled]


def _hopeless(waiting: dict[str, Unit], outcomes: dict[str, Outcome]) -> Unit | None:
    """A unit of which something that it needs failed."""
    lost = {name for name, outcome in outcomes.items() if outcome.status != "done"}
    return next((unit for unit in waiting.values() if unit.needs & lost), None)
