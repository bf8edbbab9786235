"""Decides how many workers share a device: a given number, or as many as raise the throughput."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import psutil

from tljax.core import runs

STEADY_EPOCHS = 2  # epochs that all runs must train side by side before they are measured; the first one may compile
GAIN = 1.05  # factor by which one more worker must raise the throughput
MOST = 16  # largest number of workers on a device


class Sharing:
    """The number of workers per device.

    With `auto`, it starts at one. When all runs on a device have trained `STEADY_EPOCHS` epochs side by side, their
    throughput is measured. If the throughput has risen since the last worker was added, and the memory suffices,
    another worker is added. If it has not risen, the last worker is removed and the number stays.

    memory: bytes of a device that all its workers may use together; None on CPU, where the free memory is measured.
    """

    def __init__(self, per_device: int | Literal["auto"], memory: int | None = None):
        self.count = 1 if per_device == "auto" else per_device
        self._settled = per_device != "auto"
        self._memory = memory
        self._before = 0.0  # throughput with one worker less
        self._begun: list[Mapping[Path, int]] = []  # by device: epochs of each run when the current set of runs began

    def changed(self, running: Sequence[Sequence[Path]]) -> None:
        """Records that another set of runs is in training. running: their folders, by device."""
        if not self._settled:
            self._begun = [{folder: len(_epochs(folder)) for folder in folders} for folders in running]

    def measure(self, running: Sequence[Sequence[Path]]) -> None:
        """Changes `count` if the runs have trained long enough to decide. running: their folders, by device."""
        if self._settled:
            return
        found = [self._throughput(folders, begun) for folders, begun in zip(running, self._begun, strict=False)]
        rates = [rate for rate in found if rate is not None]
        if not rates:
            return
        now = sum(rates) / len(rates)
        if now < GAIN * self._before:
            self.count, self._settled = self.count - 1, True
        elif self.count == MOST or not self._has_room([folder for folders in running for folder in folders]):
            self._settled = True
        else:
            self.count, self._before = self.count + 1, now

    def _throughput(self, folders: Sequence[Path], begun: Mapping[Path, int]) -> float | None:
        """Returns pixels per second of all runs on a device; None if it has free workers or too few epochs."""
        if len(folders) < self.count or not begun.keys() >= set(folders):
            return None
        epochs = {folder: _epochs(folder)[begun[folder] :] for folder in folders}
        if any(len(rows) < STEADY_EPOCHS for rows in epochs.values()):
            return None
        return float(sum(rows[-1]["images_per_second"] * _pixels(folder) for folder, rows in epochs.items()))

    def _has_room(self, folders: Sequence[Path]) -> bool:
        """Returns whether one more worker like the current ones fits into the memory."""
        if self._memory is None:
            used = sum(child.memory_info().rss for child in psutil.Process().children())
            return psutil.virtual_memory().available > used / self.count
        peak = max((_epochs(folder)[-1]["device_memory_bytes"] or 0) for folder in folders)
        return (self.count + 1) * peak <= self._memory


def _epochs(folder: Path) -> list[dict[str, Any]]:
    """Returns the epochs of a run that have been written completely."""
    path = folder / runs.METRICS
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _pixels(folder: Path) -> int:
    """Returns the number of pixels of an image of a run, by which runs with different image sizes can be added."""
    return runs.read_json(folder / runs.CONFIG)["config"]["image_size"] ** 2
