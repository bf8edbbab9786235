"""What a person sees of a study: the grid with every run in its place, or a line for each that ends."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tljax.core import runs
from tljax.study.cell import Cell
from tljax.study.units import Outcome, Unit


class StudyDisplay:
    """On a terminal the grid, redrawn as it fills; elsewhere a line for each unit that ends."""

    def __init__(self, console: Console, cells: Sequence[Cell], total: int):
        self._console, self._cells, self._total = console, cells, total
        self._ended, self._running, self._failed, self._scores = 0, [], set(), {}
        self._start = time.monotonic()
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> "StudyDisplay":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def update(self, running: Iterable[Unit]) -> None:
        """These run now."""
        self._running = list(running)
        if self._live:
            self._live.update(Group(self._grid(), self._line()), refresh=True)

    def ended(self, unit: Unit, outcome: Outcome) -> None:
        """A unit came to its end."""
        self._ended += 1
        if outcome.status != "done":
            self._failed.add(unit.folder)
        said = outcome.status if unit.folder is None or outcome.status != "done" else f"test AUC {_score(unit.folder)}"
        line = f"{self._ended}/{self._total}  {unit.name}: {said}{outcome.message and f' ({outcome.message})'}"
        if not self._live:
            self._console.print(f"{line}{self._left()}")
        elif outcome.status != "done":
            self._live.console.print(line)

    def _line(self) -> str:
        names = "; ".join(unit.name for unit in self._running)
        return f"{self._ended} of {self._total} done{self._left()}   {names}"

    def _left(self) -> str:
        if not self._ended or self._ended == self._total:
            return ""
        seconds = (time.monotonic() - self._start) / self._ended * (self._total - self._ended)
        return f", about {duration(seconds)} left"

    def _grid(self) -> Table:
        folds = sorted({cell.config.fold for cell in self._cells})
        table = Table("task", "network", *(f"fold {fold}" for fold in folds), box=None, header_style="bold")
        rows: dict[tuple[str, str], dict[int, Cell]] = {}
        for cell in self._cells:
            rows.setdefault((cell.config.dataset, cell.variant), {})[cell.config.fold] = cell
        for (task, variant), by_fold in rows.items():
            table.add_row(task, variant, *(self._state(by_fold.get(fold)) for fold in folds))
        return table

    def _state(self, cell: Cell | None) -> Text:
        if cell is None:
            return Text("")
        if cell.folder in self._failed:
            return Text("failed", "red")
        if any(unit.folder == cell.folder for unit in self._running):
            return Text(f"epoch {len(runs.read_run(cell.folder).metrics)}", "yellow")
        if cell.status == "corrupt":
            return Text("unreadable", "red")
        if cell.folder not in self._scores and cell.finished:
            self._scores[cell.folder] = _score(cell.folder)
        return Text(self._scores[cell.folder], "green") if cell.folder in self._scores else Text("·", "dim")


def _score(folder: Path) -> str:
    auc = runs.read_run(folder).result["test"]["auc"]
    return "undefined" if auc is None else f"{auc:.3f}"


def show_left_out(console: Console, left_out: Mapping[str, str]) -> None:
    """What is not at hand, a line each, with how to get it."""
    for what, why in left_out.items():
        console.print(f"left out {what}: {why}")


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for size, name in ((86400, "days"), (3600, "h")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
