"""Small studies of the embedded data, their work and tables, and a launcher that does the work in this process."""

from pathlib import Path
from typing import Any, NoReturn

from tljax.core.config import StudyConfig, TrainConfig
from tljax.core.files import read_csv
from tljax.study.grid import Grid
from tljax.study.plan import Plan
from tljax.study.stages import make_work, write_tables
from tljax.study.work import WorkItem, attempt

TINY = TrainConfig(backbone="resnet_tiny", image_size=32, epochs=1, augment="none")


def phantom_study(workdir: Path, **settings: Any) -> StudyConfig:
    """Returns a study of two folds from random initialisation, changed by `settings`."""
    defaults = {"tasks": ("phantom",), "inits": ("random",), "freezes": (False,), "folds": (1, 2), "train": TINY}
    return StudyConfig(workdir=workdir, **defaults | settings)


def work_of(config: StudyConfig, grid: Grid) -> list[WorkItem]:
    """Returns the remaining work of a grid."""
    return make_work(Plan(config, grid, grid.runs))


def tables_of(config: StudyConfig, grid: Grid) -> Path:
    """Writes the tables and returns their folder."""
    plan = Plan(config, grid, grid.runs)
    write_tables(plan)
    return plan.results


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(read_csv(path))


def without_clock(results: Path) -> dict[str, list[dict[str, str]]]:
    """Returns all tables without the seconds of the runs."""
    tables = {path.name: rows_of(path) for path in sorted(results.glob("*.csv"))}
    for row in tables["runs.csv"]:
        del row["seconds"]
    return tables


class Inline:
    """A launcher that does each item at once, in this process."""

    def __init__(self):
        self.order, self._ended = [], []
        self.free = 1

    def submit(self, items):
        for item in items:
            self.order.append(item.name)
            self._ended.append((item, attempt(item)))

    def collect(self, seconds):
        ended, self._ended = self._ended, []
        return ended

    def stop(self):
        return True

    def close(self):
        pass


def fail(error: Exception) -> NoReturn:
    raise error
