"""Runs work items in worker processes on this machine: one or several per GPU, or on the CPU."""

import functools
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from tljax.core.errors import UserError
from tljax.study.sharing import Sharing
from tljax.study.work import Outcome, WorkItem, attempt

_SPAWN = multiprocessing.get_context("spawn")  # a forked jax does not work

MEMORY = 0.9  # share of a GPU's memory for all its workers, unless XLA_PYTHON_CLIENT_MEM_FRACTION states another one
DIED = "its process died: it ran out of memory, or was killed"


@dataclass(frozen=True)
class Devices:
    """The devices that the workers use."""

    platform: str  # cpu, gpu or tpu
    count: int
    memory: int | None  # bytes of one device that jax may use; None if the device does not report it


class LocalLauncher:
    """Runs work items in worker processes, each of which does several items. A process that dies is replaced.

    per_device: number of workers that share a device and its memory; `auto` adds workers as long as that raises the
    throughput.
    """

    def __init__(self, per_device: int | Literal["auto"] = 1):
        self._workers: dict[tuple[int, int], _Worker] = {}  # by device and place on it
        self._gpus, devices = self._find_devices(keep=per_device == 1)
        self._sharing = Sharing(per_device, devices.memory)
        self._environment = _environment(per_device, devices.platform)

    @property
    def free(self) -> int:
        """The number of items that can be started now."""
        return len(self._idle())

    def submit(self, items: list[WorkItem]) -> None:
        """Starts at most `free` items."""
        for place, item in zip(self._idle(), items, strict=False):
            worker = self._workers.get(place)
            if not worker or not worker.is_alive():
                worker = self._workers[place] = _Worker(self._environment | _visible(self._gpus[place[0]]))
            worker.item = item
            worker.start(functools.partial(attempt, item))
        self._sharing.changed(self._training())

    def collect(self, seconds: float) -> list[tuple[WorkItem, Outcome]]:
        """Returns the items that have ended, after waiting for at most this many seconds."""
        busy = {worker.pipe: place for place, worker in self._workers.items() if worker.item}
        ready: list[Any] = wait(list(busy), timeout=seconds)
        ended = [self._outcome(busy[pipe]) for pipe in ready]
        self._sharing.measure(self._training())
        return ended

    def _outcome(self, place: tuple[int, int]) -> tuple[WorkItem, Outcome]:
        worker = self._workers[place]
        item, worker.item = worker.item, None
        assert item is not None, "only busy workers are waited for"
        try:
            outcome = worker.result()
        except EOFError:
            outcome = Outcome("failed", DIED, died=True)
        if outcome.died or place[1] >= self._sharing.count:
            self._workers.pop(place).kill()
        return item, outcome

    def _idle(self) -> list[tuple[int, int]]:
        """Returns the places (device, number) where an item can run now; those on less busy devices come first."""
        places = [(device, number) for number in range(self._sharing.count) for device in range(len(self._gpus))]
        return [place for place in places if place not in self._workers or not self._workers[place].item]

    def _training(self) -> list[list[Path]]:
        """Returns the folders of the runs in training, by device; empty for a device that also has other work."""
        running = [
            [worker.item for place, worker in self._workers.items() if worker.item and place[0] == device]
            for device in range(len(self._gpus))
        ]
        folders = [[item.folder for item in items if item.folder] for items in running]
        return [found if len(found) == len(items) else [] for found, items in zip(folders, running, strict=True)]

    def stop(self) -> bool:
        """Asks the running items to save their state and end. Returns True, as the caller should wait for them."""
        for worker in self._workers.values():
            worker.terminate()
        return True

    def close(self) -> None:
        """Ends the workers at once."""
        for worker in self._workers.values():
            worker.kill()

    def _find_devices(self, keep: bool) -> tuple[list[str | None], Devices]:
        """Returns the GPU for the workers of each device (None: no choice is made), and the devices.

        Another process is asked, because jax would reserve the GPUs for this process. With `keep`, that process becomes
        the first worker.
        """
        asked = _Worker({})
        asked.start(_describe)
        try:
            devices: Devices = asked.result()
        except EOFError:
            asked.kill()
            raise UserError("jax cannot use the devices of this machine; the message above says why") from None
        if devices.platform == "cpu" or (keep and devices.count == 1):
            self._workers[0, 0] = asked
            return [None], devices
        asked.kill()
        if devices.platform != "gpu" or devices.count == 1:
            return [None], devices
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        return [*(visible.split(",") if visible else map(str, range(devices.count)))], devices


def _environment(per_device: int | Literal["auto"], platform: str) -> dict[str, str]:
    """Returns the environment variables that give each worker its share of a GPU's memory."""
    if per_device == 1 or platform != "gpu":
        return {}
    if per_device == "auto":  # the number of workers is not known yet, so memory is not reserved in advance
        return {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    total = float(os.environ.get("XLA_PYTHON_CLIENT_MEM_FRACTION") or MEMORY)
    return {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{total / per_device:.3f}"}


def _visible(gpu: str | None) -> dict[str, str]:
    return {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}


class _Worker:
    """A process that does work items one after another."""

    def __init__(self, environment: Mapping[str, str]):
        self.item: WorkItem | None = None
        self.pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, dict(environment), os.getpid()))
        self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def start(self, do: Callable[[], Any]) -> None:
        """Gives the process something to do. If it has died, `result` raises EOFError."""
        with suppress(BrokenPipeError):
            self.pipe.send(do)

    def result(self) -> Any:
        """Waits for the process to finish what it was given, and returns the result. Raises EOFError if it died."""
        try:
            return self.pipe.recv()
        except ConnectionResetError:
            raise EOFError from None

    def is_alive(self) -> bool:
        """Returns whether the process is running."""
        return self._process.is_alive()

    def terminate(self) -> None:
        """Sends SIGTERM to the process."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends the process at once."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(pipe: Connection, environment: Mapping[str, str], parent: int) -> None:
    """Runs in a worker: does what it is sent until the pipe or the parent process ends. The parent handles Ctrl-C."""
    os.environ.update(environment)  # before jax looks for devices
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # orbax logs every error that it also raises
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    while True:
        try:
            do = pipe.recv()
        except EOFError:
            return
        pipe.send(do())


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)  # files that the running item has saved are complete


def _describe() -> Devices:
    import jax

    stats = jax.local_devices()[0].memory_stats() or {}
    return Devices(jax.default_backend(), jax.local_device_count(), stats.get("bytes_limit"))
