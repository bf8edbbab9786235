"""Small studies of the embedded data, their tables, and a launcher that does their work in this process."""

import csv
from pathlib import Path
from typing import Any, NoReturn

from tljax.core.config import StudyConfig, TrainConfig
from tljax.study.units import attempt

TINY = TrainConfig(backbone="resnet_tiny", image_size=32, epochs=1, augment="none")


def phantom_study(workdir: Path, **settings: Any) -> StudyConfig:
    """Two folds from random initialisation, but for `settings`."""
    defaults = {"tasks": ("phantom",), "inits": ("random",), "freezes": (False,), "folds": (1, 2), "train": TINY}
    return StudyConfig(workdir=workdir, **defaults | settings)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def without_clock(results: Path) -> dict[str, list[dict[str, str]]]:
    """All tables, less the seconds that runs took."""
    tables = {path.name: rows_of(path) for path in sorted(results.glob("*.csv"))}
    for row in tables["runs.csv"]:
        del row["seconds"]
    return tables


class Inline:
    """A launcher that does everything here and now, one unit at a time."""

    def __init__(self):
        self.order, self._ended = [], []
        self.free = 1

    def submit(self, units):
        for unit in units:
            self.order.append(unit.name)
            self._ended.append((unit, attempt(unit)))

    def collect(self, seconds):
        ended, self._ended = self._ended, []
        return ended

    def stop(self):
        return True

    def close(self):
        pass


def fail(error: Exception) -> NoReturn:
    raise error
