"""Describes the work items of a study, and their outcomes."""

import errno
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tljax.core.errors import Requeue, UserError


@dataclass(frozen=True)
class WorkItem:
    """A piece of work for one process on one device. If it is run again, finished parts are not repeated."""

    name: str
    work: Callable[[], None]  # picklable
    after: frozenset[str] = frozenset()
    """Names of the items that must have ended first, whether they succeeded or not."""
    needs: frozenset[str] = frozenset()
    """Names of the items that must have succeeded first."""
    place: tuple[str, int, str] | None = field(default=None, kw_only=True)
    """Task, fold and condition of the runs that it concerns; None: all runs."""
    folder: Path | None = field(default=None, kw_only=True)
    """The folder of the run that it trains."""


@dataclass(frozen=True)
class Outcome:
    """How a work item ended."""

    status: Literal["done", "failed", "stopped"]
    message: str = ""
    halts: bool = False
    """Whether the study must stop, because the other items would fail in the same way."""
    died: bool = False
    """Whether the process ended before the item did."""


def attempt(item: WorkItem) -> Outcome:
    """Does a work item, and returns its outcome. An error becomes a failed outcome."""
    try:
        item.work()
    except Requeue as stop:
        return Outcome("stopped", str(stop))
    except Exception as error:
        if refusal := _refusal_of_disk(error):
            return Outcome("failed", f"{refusal}: {item.folder or item.name}", halts=True)
        return Outcome("failed", _description(error))
    finally:
        _release_programs()
    return Outcome("done")


def _description(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    said = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {said} ({Path(place.filename).name}, line {place.lineno})"


def _refusal_of_disk(error: BaseException | None) -> str:
    """Returns the message of the operating system if a full or read-only disk caused an error; else an empty text."""
    while error:
        for said in map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EROFS)):
            if said in str(error):
                return said
        error = error.__cause__ or error.__context__
    return ""


def _release_programs() -> None:
    """Removes the compiled programs of finished work from memory; the cache on disk keeps them."""
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
