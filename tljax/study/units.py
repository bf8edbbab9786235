"""What a launcher is given to do, and what comes of it."""

import errno
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tljax.core.errors import Requeue, UserError


@dataclass(frozen=True)
class Unit:
    """A piece of work for one process on one device. It can be repeated at any time: what is done is not done again."""

    name: str
    work: Callable[[], None]  # picklable
    after: frozenset[str] = frozenset()
    """Units that must have ended before, well or not."""
    needs: frozenset[str] = frozenset()
    """Units that must have ended well before."""
    folder: Path | None = field(default=None, kw_only=True)
    """The run folder that tells how far it is."""


@dataclass(frozen=True)
class Outcome:
    """How a unit ended."""

    status: Literal["done", "failed", "stopped"]
    message: str = ""
    halts: bool = False
    """The other units would fail in the same way."""
    died: bool = False
    """Its process ended under it."""


def attempt(unit: Unit) -> Outcome:
    """Does a unit; whatever goes wrong is its outcome."""
    try:
        unit.work()
    except Requeue as stop:
        return Outcome("stopped", str(stop))
    except Exception as error:
        if full := _full(error):
            return Outcome("failed", f"{full}: {unit.folder or unit.name}", halts=True)
        return Outcome("failed", _told(error))
    finally:
        _forget_programs()
    return Outcome("done")


def _told(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    said = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {said} ({Path(place.filename).name}, line {place.lineno})"


def _full(error: BaseException | None) -> str:
    """What the system says of a disk that takes no more, if that is at the bottom of an error; else nothing."""
    while error:
        for said in map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EROFS)):
            if said in str(error):
                return said
        error = error.__cause__ or error.__context__
    return ""


def _forget_programs() -> None:
    """Compiled programs of finished work would pile up in a worker's memory; the cache on disk keeps them."""
    import jax

    jax.clear_caches()
