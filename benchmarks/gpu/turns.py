"""Two workers, one of JAX and one of PyTorch, that take turns on one device, each in its own process."""

import multiprocessing
import statistics
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any


class Worker:
    """A process that holds one object and runs its methods. `kind`: a class or function, by module and name."""

    def __init__(self, module: str, kind: str, *arguments: Any, **options: Any):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, module, kind, arguments, options), daemon=False)
        self._process.start()

    def ready(self) -> None:
        """Wait until the object is made. Raises RuntimeError with the worker's traceback if that failed."""
        self._answer()

    def start(self, method: str) -> None:
        """Call a method without waiting for it; `result` waits."""
        self._pipe.send(method)

    def result(self) -> tuple[float, Any]:
        """Returns the seconds of the method that was started, and its result."""
        return self._answer()

    def run(self, method: str) -> tuple[float, Any]:
        """Calls a method, and returns its seconds and its result."""
        self.start(method)
        return self.result()

    def close(self) -> None:
        """End the process, so that its memory on the device is free."""
        self._pipe.send(None)
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()

    def _answer(self) -> Any:
        try:
            failed, value = self._pipe.recv()
        except EOFError:
            raise RuntimeError("the worker died") from None
        if failed:
            raise RuntimeError(value)
        return value


def _serve(pipe: Connection, module: str, kind: str, arguments: Sequence[Any], options: dict[str, Any]) -> None:
    import importlib

    try:
        worker = getattr(importlib.import_module(module), kind)(*arguments, **options)
        pipe.send((False, None))
        while method := pipe.recv():
            began = time.perf_counter()
            value = getattr(worker, method)()
            pipe.send((False, (time.perf_counter() - began, value)))
    except Exception:
        pipe.send((True, traceback.format_exc()))


def in_turns(rounds: int, works: dict[str, tuple[Worker, str]]) -> dict[str, float]:
    """Returns the median seconds of each work over the rounds. All run once before, at the same time, to compile."""
    _together(works)
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, (worker, method) in works.items():
            seconds[name].append(worker.run(method)[0])
    return {name: statistics.median(values) for name, values in seconds.items()}


def _together(works: dict[str, tuple[Worker, str]]) -> None:
    """Run each work once. Different workers run at the same time, so that one compiles while the other does."""
    waiting = list(works.values())
    while waiting:
        first: dict[int, tuple[Worker, str]] = {}
        for worker, method in waiting:
            first.setdefault(id(worker), (worker, method))
        for worker, method in first.values():
            worker.start(method)
        for worker, _ in first.values():
            worker.result()
        waiting = [work for work in waiting if work not in first.values()]
