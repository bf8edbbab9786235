"""Prints what commands show: results, messages, and progress on a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

# Text is printed unchanged: a class called [b] or :warning: is not markup, and paths are not coloured or wrapped.
_PLAIN: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False, "soft_wrap": True}
PRINTED_WIDTH = 160  # characters per line of a table, if the output is not a terminal

console = Console(stderr=True, **_PLAIN)
"""The console for messages and progress."""
output = Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH, **_PLAIN)
"""The console for results."""


@contextmanager
def progress_bar(title: str, total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """Shows a progress bar on standard error; yields a function that advances it by a number of items."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)


class TrainingDisplay:
    """Shows one progress bar per phase: epochs, speed, losses, AUC, and the remaining time without early stopping."""

    def __init__(self, title: str, quiet: bool):
        self._title, self._bar = title, None
        self._shown = not quiet and sys.stderr.isatty()

    def __enter__(self) -> "TrainingDisplay":
        if self._shown:
            self._bar = Progress(
                TextColumn("{task.description}", style="bold", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total} {task.fields[scores]}", markup=False),
                TimeRemainingColumn(),
                console=console,
            )
            self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar:
            self._bar.stop()

    def phase(self, name: str, epochs: int, done: int) -> None:
        """Begins a phase, of which `done` epochs have been trained before. The first epoch includes compilation."""
        if self._bar:
            self._task = self._bar.add_task(f"{self._title} {name}", total=epochs, completed=done, scores="compiling")

    def epoch(self, row: dict[str, Any]) -> None:
        """Shows the scores of an epoch; row: its line of metrics.jsonl."""
        if self._bar:
            scores = (
                f"train loss {row['train_loss']:.3f}  val loss {row['val_loss']:.3f}  val AUC {row['val_auc']:.3f}  "
                f"{row['images_per_second']:.0f} images/s"
            )
            self._bar.update(self._task, completed=row["epoch"], scores=scores)

    def stopped(self, epoch: int) -> None:
        """Ends the bar of a phase that stopped after this epoch."""
        if self._bar:
            self._bar.update(self._task, total=epoch)

    def traced(self, folder: Path, wanted: bool) -> AbstractContextManager:
        """Returns a context that, if `wanted`, records a jax profiler trace for TensorBoard or Perfetto."""
        import jax

        return jax.profiler.trace(str(folder)) if wanted else nullcontext()


class Stopwatch:
    """Measures seconds."""

    def __init__(self):
        self._start = time.perf_counter()

    def lap(self) -> float:
        """Returns the seconds since the last lap, or since the start."""
        now = time.perf_counter()
        elapsed, self._start = now - self._start, now
        return elapsed
