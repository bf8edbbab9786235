"""Shows the progress of a study: a table of the runs, or one line for each finished work item."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tljax.core import runs
from tljax.study.planned import PlannedRun
from tljax.study.work import Outcome, WorkItem

ROWS = 40  # largest number of networks in the table; those in training are shown first


class StudyDisplay:
    """Shows a live table of the grid on a terminal, and otherwise one line for each finished item."""

    def __init__(self, console: Console, planned: Sequence[PlannedRun], total: int):
        self._console, self._total, self._ended = console, total, 0
        self._running: list[WorkItem] = []
        self._start = time.monotonic()
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._states: dict[Path, Text] = {}
        self._rows: dict[tuple[str, str], dict[int, PlannedRun]] = {}  # task and network -> the run of each fold
        for run in planned if self._live else ():
            self._rows.setdefault((run.config.dataset, run.variant), {})[run.config.fold] = run
            self._states[run.folder] = _state(run)

    def __enter__(self) -> "StudyDisplay":
        if self._live:
            self._live.start()
        elif self._total:
            self._console.print(f"{self._total} work items; one line follows for each item that ends")
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def update(self, running: Iterable[WorkItem]) -> None:
        """Shows which items are running."""
        self._running = list(running)
        if self._live:
            self._live.update(Group(self._grid(), self._line()), refresh=True)

    def ended(self, item: WorkItem, outcome: Outcome) -> None:
        """Shows that an item has ended."""
        self._ended += 1
        done = outcome.status == "done"
        if item.folder in self._states:
            self._states[item.folder] = Text(_score(item.folder), "green") if done else Text("failed", "red")
        result = f"test AUC {_score(item.folder)}" if done and item.folder else outcome.status
        line = f"{self._ended}/{self._total}  {item.name}: {result}{outcome.message and f' ({outcome.message})'}"
        if not self._live:
            self._console.print(f"{line}{self._left()}")
        elif not done:
            self._live.console.print(line)

    def _line(self) -> str:
        names = "; ".join(item.name for item in self._running)
        return f"{self._ended} of {self._total} done{self._left()}   {names}"

    def _left(self) -> str:
        if not self._ended or self._ended == self._total:
            return ""
        seconds = (time.monotonic() - self._start) / self._ended * (self._total - self._ended)
        return f", about {duration(seconds)} left"

    def _grid(self) -> Table:
        training = {item.folder for item in self._running if item.folder}
        shown = self._rows
        if len(shown) > ROWS:
            at_work = {key: row for key, row in shown.items() if any(run.folder in training for run in row.values())}
            shown = dict(list((at_work | shown).items())[:ROWS])
        folds = sorted({fold for row in shown.values() for fold in row})
        table = Table("task", "network", *(f"fold {fold}" for fold in folds), box=None, header_style="bold")
        for (task, network), row in shown.items():
            table.add_row(task, network, *(self._cell(row.get(fold), training) for fold in folds))
        if more := len(self._rows) - len(shown):
            table.add_row(f"and {more} more", "")
        return table

    def _cell(self, run: PlannedRun | None, training: set[Path]) -> Text:
        if run is None:
            return Text("")
        if run.folder in training:
            return Text(f"epoch {len(runs.read_run(run.folder).metrics)}", "yellow")
        return self._states[run.folder]


def _state(run: PlannedRun) -> Text:
    if run.status == "corrupt":
        return Text("unreadable", "red")
    return Text(_score(run.folder), "green") if run.finished else Text("·", "dim")


def _score(folder: Path) -> str:
    auc = runs.read_json(folder / runs.RESULT)["test"]["auc"]
    return "undefined" if auc is None else f"{auc:.3f}"


def show_left_out(console: Console, left_out: Mapping[str, str]) -> None:
    """Prints what is missing, one line each, and how to get it."""
    for what, why in left_out.items():
        console.print(f"left out {what}: {why}")


def duration(seconds: float) -> str:
    """Returns a duration as text: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for size, name in ((86400, "days"), (3600, "h")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
