"""Plans a study: its settings, its grid, and the runs that were selected from it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tljax.core.config import StudyConfig
from tljax.study.grid import Grid
from tljax.study.planned import PlannedRun, comparable

RESULTS = "results"


@dataclass(frozen=True)
class Plan:
    """A planned study. It is also rebuilt whenever tables are written."""

    config: StudyConfig
    grid: Grid
    picked: tuple[PlannedRun, ...]
    """The runs of the grid that `--only` names; all of them without it."""

    @property
    def results(self) -> Path:
        """The folder of tables."""
        return self.config.workdir / RESULTS

    @cached_property
    def groups(self) -> list[list[PlannedRun]]:
        """The selected runs in groups that are compared, without those that only the user can repair."""
        return comparable(run for run in self.picked if run.status != "corrupt")

    def finished(self) -> list[PlannedRun]:
        """Returns the finished runs of the whole grid."""
        return [run for run in self.grid.runs if run.finished]
