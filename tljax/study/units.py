"""What a launcher is given to do, and what comes of it."""

import errno
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tljax.errors import Requeue, UserError


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


def attempt(unit: Unit) -> Outcome:
    """Does a unit; whatever goes wrong is its outcome."""
    try:
        unit.work()
    except Requeue as stop:
        return Outcome("stopped", str(stop))
    except UserError as error:
        return _failed(str(error), error)
    except OSError as error:
        return _failed(f"{error.strerror}: {error.filename}", error)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome("failed", f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})")
    finally:
        _forget_programs()
    return Outcome("done")


def _failed(message: str, error: BaseException) -> Outcome:
    while error and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return Outcome("failed", message, halts=bool(error) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS))


def _forget_programs() -> None:
    """Compiled programs of finished work would pile up in a worker's memory; the cache on disk keeps them."""
    import jax

    jax.clear_caches()
