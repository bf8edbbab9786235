"""One run of a study: what it is trained with, where it lies, and how far it is."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tljax.core import runs
from tljax.core.config import TrainConfig
from tljax.train.settings import tag_of

_FILES = (runs.CONFIG, runs.RESULT, runs.PREDICTIONS, runs.SPLIT, runs.METRICS)


@dataclass(frozen=True)
class Cell:
    """One run of the grid."""

    config: TrainConfig
    label: str
    """Of the initialisation, in folder names and tables."""
    source: Path | None = None
    """The run folder of the pre-training that it starts from, if that is of this study."""

    @property
    def condition(self) -> str:
        """What runs must have in common to be compared: recipe, preprocessing and seed, as far as they are named."""
        return tag_of(self.config)

    @property
    def place(self) -> tuple[str, int, str]:
        """Task, fold and condition: runs that share it are compared."""
        return self.config.dataset, self.config.fold, self.condition

    @property
    def folder(self) -> Path:
        c = self.config
        return runs.run_folder(c.workdir, c.dataset, self.label, c.freeze, c.fold, self.condition)

    @property
    def variant(self) -> str:
        """The name of its network in tables: `imagenet-nofreeze`, `random-nofreeze-paper`."""
        return self.folder.parent.name

    @property
    def status(self) -> runs.Status:
        """`finished` only where everything that tables need can be read."""
        return _state(self.folder)[0]

    @property
    def problem(self) -> str:
        """Why it is not finished."""
        return _state(self.folder)[1]

    @property
    def finished(self) -> bool:
        return self.status == "finished"

    def __str__(self) -> str:
        return f"{self.config.dataset} {self.variant} fold {self.config.fold}"


def _state(folder: Path) -> tuple[runs.Status, str]:
    return _read_state(folder, tuple(map(_stamp, (folder / name for name in _FILES))))


@lru_cache(maxsize=10_000)
def _read_state(folder: Path, stamps: tuple) -> tuple[runs.Status, str]:
    """Of the files as they were at these times: a study asks often, and reading them takes milliseconds a run."""
    run = runs.read_run(folder)
    return run.status, run.problem


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
