"""Handles SIGTERM, by which schedulers announce that they will end a process."""

import signal
import threading
from types import TracebackType

from tljax.core.errors import Requeue


class Termination:
    """Catches SIGTERM while the context is active, so that work can be saved before the process ends.

    With a message, it raises Requeue(message) when the signal comes, until `only_remember` is called. Without a
    message, it only sets `received`. Outside of the main thread it receives nothing, as Python delivers signals only
    there.
    """

    def __init__(self, message: str = ""):
        self.received = False
        self._message = message
        self._former = None

    def __enter__(self) -> "Termination":
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(signal.SIGTERM, self._receive)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._former is not None:
            signal.signal(signal.SIGTERM, self._former)

    def only_remember(self) -> None:
        """Makes the signal only set `received` from now on. The caller must test it, and stop when it can save."""
        self._message = ""

    def _receive(self, *_: object) -> None:
        self.received = True
        if self._message:
            raise Requeue(self._message)
