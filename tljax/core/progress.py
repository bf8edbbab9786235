"""Prints the results and messages of commands, and shows progress bars."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
