"""Describes the plan of a study: its settings, its grid, and the selected runs."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tljax.core.config import StudyConfig
from tljax.study.grid import Grid
from tljax.study.planned import PlannedRun, comparable

RESULTS = "results"


@dataclass(frozen=True)
class Plan:
    """A planned study."""

    config: StudyConfig
    grid: Grid
    picked: tuple[PlannedRun, ...]
    """The runs of the grid that `--only` selects; without it, all runs."""

    @property
    def results(self) -> Path:
        """The folder of the tables."""
        return self.config.workdir / RESULTS

    @cached_property
    def groups(self) -> list[list[PlannedRun]]:
        """The selected runs in groups that are compared with each other, without corrupt runs."""
        return comparable(run for run in self.picked if run.status != "corrupt")

    def finished(self) -> list[PlannedRun]:
        """Returns the finished runs of the whole grid."""
        return [run for run in self.grid.runs if run.finished]
