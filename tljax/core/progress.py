"""What a person sees while something takes its time; nothing at all where nobody looks."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(stderr=True)


@contextmanager
def progress_bar(title: str, total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """A bar on standard error that a call moves on by so many of `total`."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)


class TrainingDisplay:
    """One bar a phase: epochs done and to come, speed, losses, AUC, time left (should it not stop early)."""

    def __init__(self, title: str, quiet: bool):
        self._title, self._bar = title, None
        self._shown = not quiet and sys.stderr.isatty()

    def __enter__(self) -> "TrainingDisplay":
        if self._shown:
            self._bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total} {task.fields[scores]}"),
                TimeRemainingColumn(),
                console=console,
            )
            self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar:
            self._bar.stop()

    def phase(self, name: str, epochs: int, done: int) -> None:
        """A phase begins, or goes on after `done` of its epochs. The first epoch compiles."""
        if self._bar:
            self._task = self._bar.add_task(f"{self._title} {name}", total=epochs, completed=done, scores="compiling")

    def epoch(self, row: dict[str, Any]) -> None:
        """An epoch is done; row: its line of metrics.jsonl."""
        if self._bar:
            scores = (
                f"train loss {row['train_loss']:.3f}  val loss {row['val_loss']:.3f}  val AUC {row['val_auc']:.3f}  "
                f"{row['images_per_second']:.0f} images/s"
            )
            self._bar.update(self._task, completed=row["epoch"], scores=scores)

    def stopped(self, epoch: int) -> None:
        """The phase stopped early."""
        if self._bar:
            self._bar.update(self._task, total=epoch)

    def traced(self, folder: Path, wanted: bool) -> AbstractContextManager:
        """A jax profiler trace of what happens inside, for TensorBoard or Perfetto."""
        import jax

        return jax.profiler.trace(str(folder)) if wanted else nullcontext()


class Stopwatch:
    """Seconds since it was made, or since the last lap."""

    def __init__(self):
        self._start = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        elapsed, self._start = now - self._start, now
        return elapsed
