"""Shows the progress of a training run on a terminal, and measures its time."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import jax
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tljax.core.progress import console


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


class Stopwatch:
    """Measures the seconds from lap to lap."""

    def __init__(self):
        self._start = time.perf_counter()

    def lap(self) -> float:
        """Returns the seconds since the last lap, or since the start."""
        now = time.perf_counter()
        elapsed, self._start = now - self._start, now
        return elapsed


def traced(folder: Path, wanted: bool) -> AbstractContextManager:
    """Returns a context that, if `wanted`, records a jax profiler trace for TensorBoard or Perfetto."""
    return jax.profiler.trace(str(folder)) if wanted else nullcontext()
