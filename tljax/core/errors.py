"""Reports a user's mistake as one message instead of a traceback."""

import difflib
import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import NoReturn

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_REQUEUE = 75  # EX_TEMPFAIL: a scheduler stopped the process, the state is saved, run the same command again
SHOWN = 5  # largest number of names in a message
SEEDS = 1 << 32  # jax and scikit-learn take seeds below this number


class UserError(Exception):
    """A mistake that the user can fix. The message says what is wrong, where, and what to do."""


class Requeue(Exception):
    """Raised if the process was asked to stop. Its state is saved, and the same command continues the work."""


def run_command(main: Callable[[], None], leave: Callable[[int], None] = sys.exit) -> None:
    """Runs the `main` of a command. Exits with 2 after a `UserError`, 75 after `Requeue`, and 130 after Ctrl-C.

    leave: ends the process after a mistake; it takes the exit code.
    """
    _escape_what_cannot_be_printed()
    try:
        with _warnings_as_messages():
            main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        leave(EXIT_USER_ERROR)
    except Requeue as stop:
        print(f"stopped: {stop}", file=sys.stderr)
        sys.exit(EXIT_REQUEUE)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        end_at_once(EXIT_INTERRUPTED)  # else Python would wait for a program on the device, or crash with it
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # a full disk, or a folder without write permission
        what = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        print(f"error: {what}; fix this and run the same command again", file=sys.stderr)
        leave(EXIT_USER_ERROR)


def end_at_once(code: int) -> NoReturn:
    """Ends the process without the work that Python and jax do at exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Returns `; did you mean 'NAME'?` with the known name nearest to a mistyped one, or nothing if none is near."""
    near = difflib.get_close_matches(given, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def counted(number: int, noun: str) -> str:
    """Returns `1 fold` or `2 folds`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def first_few(names: Sequence[str]) -> str:
    """Returns the first names for a message, followed by `...` if there are more."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _escape_what_cannot_be_printed() -> None:
    """Makes characters that the terminal's encoding lacks be printed as escapes, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _warnings_as_messages() -> Iterator[None]:
    """Prints warnings for the user without the line of code that raised them."""
    usual = warnings.formatwarning

    def format_warning(message, category, *place, **line) -> str:
        if category is UserWarning:
            return f"WARNING: {message}\n"
        return usual(message, category, *place, **line)

    warnings.formatwarning = format_warning
    try:
        yield
    finally:
        warnings.formatwarning = usual


def require_known(what: str, given: object, known: Collection[object]) -> None:
    """Raises `UserError` if a setting is not one of the known values."""
    if given not in known:
        raise UserError(f"unknown {what} {given!r}; known are {', '.join(map(str, known))}")


def require_at_least(least: int, config: object, *names: str) -> None:
    """Raises `UserError` if one of these settings is given and smaller than `least`."""
    for name in names:
        if (value := getattr(config, name)) is not None and value < least:
            raise UserError(f"--{name.replace('_', '-')} {value}: must be at least {least}")


def require_seed(seed: int) -> None:
    """Raises `UserError` for a seed that is negative or too large. Without this, jax would take 2**32 for 0."""
    if not 0 <= seed < SEEDS:
        raise UserError(f"--seed {seed}: must be at least 0 and at most {SEEDS - 1}")
