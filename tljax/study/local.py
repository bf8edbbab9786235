"""The local launcher: one worker process for each GPU, or one on CPU."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

from tljax.study.units import Outcome, Unit, attempt

_SPAWN = multiprocessing.get_context("spawn")  # a forked jax does not work


class LocalLauncher:
    """Runs units in worker processes that live on from unit to unit; one that dies is replaced."""

    def __init__(self):
        self._devices, self._workers = _find_devices()
        self._running: dict[Future, tuple[int, Unit]] = {}

    @property
    def free(self) -> int:
        """How many more units can run now."""
        return len(self._devices) - len(self._running)

    def submit(self, units: list[Unit]) -> None:
        """Starts at most `free` units."""
        busy = {number for number, _ in self._running.values()}
        idle = [number for number in range(len(self._devices)) if number not in busy]
        for number, unit in zip(idle, units, strict=False):
            if number not in self._workers:
                self._workers[number] = _worker(self._devices[number])
            self._running[self._workers[number].submit(attempt, unit)] = number, unit

    def collect(self, seconds: float) -> list[tuple[Unit, Outcome]]:
        """The units that ended, after at most this many seconds."""
        done, _ = wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        return [self._outcome(future) for future in done]

    def _outcome(self, future: Future) -> tuple[Unit, Outcome]:
        number, unit = self._running.pop(future)
        try:
            return unit, future.result()
        except BrokenProcessPool:
            self._workers.pop(number).shutdown(wait=False)
            return unit, Outcome("failed", "its process died: out of memory, or killed", died=True)

    def stop(self) -> bool:
        """Asks the running units to save their state and end, which is worth waiting for."""
        self._signal(signal.SIGTERM)
        return True

    def close(self) -> None:
        """Ends the workers, whatever they do."""
        self._signal(signal.SIGKILL)
        for worker in self._workers.values():
            worker.shutdown(wait=True, cancel_futures=True)

    def _signal(self, number: signal.Signals) -> None:
        for worker in self._workers.values():
            for pid in list(worker._processes or {}):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)


def _worker(gpu: str | None) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, _SPAWN, _begin, (gpu, os.getpid()))


def _begin(gpu: str | None, parent: int) -> None:
    """Makes a new process a worker, of one GPU if one is named, that ends with its parent and leaves Ctrl-C to it."""
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # what orbax logs at length it raises as well
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)  # what the running unit has saved is whole


def _find_devices() -> tuple[list[str | None], dict[int, ProcessPoolExecutor]]:
    """The GPU of each worker to be (None: whatever there is), and the workers that run already.

    A process of its own is asked: jax would keep the GPUs to this one.
    """
    asked = _worker(None)
    platform, count = asked.submit(_describe).result()
    if platform != "gpu" or count == 1:
        return [None], {0: asked}
    asked.shutdown()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(number) for number in range(count)], {}


def _describe() -> tuple[str, int]:
    import jax

    return jax.default_backend(), jax.local_device_count()
