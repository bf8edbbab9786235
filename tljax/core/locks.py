"""Locks between processes. The operating system releases them when a process ends, even if it is killed."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock


class Held(Exception):
    """Raised if another process holds the lock; the message says which one."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds the lock file `path`. Raises Held at once if another process holds it, OSError if it cannot be created.

    The process number and host of the holder are kept next to the lock, in `<path>.holder`.
    """
    holder = path.with_name(f"{path.name}.holder")
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise Held(_read(holder)) from None
    try:
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Holds the lock file `path`, after waiting for the processes that hold it."""
    with filelock.FileLock(path):
        yield


def _read(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8")
    except OSError:  # just taken, or just released
        return "an unknown process"
