"""Describes a planned run of a study: its settings, its folder and its progress."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from tljax.core import runs
from tljax.core.config import TrainConfig
from tljax.train.settings import tag_of

_FILES = (runs.CONFIG, runs.RESULT, runs.PREDICTIONS, runs.SPLIT, runs.METRICS)

Place = tuple[str, int, str]


@dataclass(frozen=True)
class PlannedRun:
    """One run of the grid."""

    config: TrainConfig
    label: str
    """The name of the initialisation in folder names and tables."""
    source: Path | None = None
    """The run folder of the pre-training from which it starts, if that is part of this study."""

    @cached_property
    def condition(self) -> str:
        """The tags of recipe, preprocessing and seed. Only runs that share them are compared."""
        return tag_of(self.config)

    @property
    def place(self) -> Place:
        """Task, fold and condition: runs that share them are compared."""
        return self.config.dataset, self.config.fold, self.condition

    @property
    def place_name(self) -> str:
        """Task, fold and condition as text."""
        return " ".join(filter(None, (self.config.dataset, f"fold {self.config.fold}", self.condition)))

    @property
    def freeze_name(self) -> str:
        """`freeze` or `nofreeze`."""
        return "freeze" if self.config.freeze else "nofreeze"

    @cached_property
    def folder(self) -> Path:
        """The run folder."""
        c = self.config
        return runs.run_folder(c.workdir, c.dataset, self.label, c.freeze, c.fold, self.condition)

    @property
    def variant(self) -> str:
        """The name of its network in tables: `imagenet-nofreeze`, `random-nofreeze-paper`."""
        return self.folder.parent.name

    @property
    def status(self) -> runs.Status:
        """The status; `finished` only if every file that tables need can be read."""
        return _state(self.folder)[0]

    @property
    def problem(self) -> str:
        """Why the run is corrupt or unfinished."""
        return _state(self.folder)[1]

    @property
    def finished(self) -> bool:
        """Whether the status is `finished`."""
        return self.status == "finished"

    def __str__(self) -> str:
        return f"{self.config.dataset} {self.variant} fold {self.config.fold}"


def comparable(planned: Iterable[PlannedRun]) -> list[list[PlannedRun]]:
    """Returns the runs in groups that share task, fold and condition."""
    groups: dict[Place, list[PlannedRun]] = {}
    for run in planned:
        groups.setdefault(run.place, []).append(run)
    return list(groups.values())


def _state(folder: Path) -> tuple[runs.Status, str]:
    return _read_state(folder, tuple(_stamp(folder / name) for name in _FILES))


@cache
def _read_state(folder: Path, stamps: tuple) -> tuple[runs.Status, str]:
    """Returns status and problem of a run. stamps: times and sizes of its files; a changed run is read again."""
    run = runs.read_run(folder)
    return run.status, run.problem


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
