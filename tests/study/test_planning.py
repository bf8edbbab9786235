"""Planning a study takes time in proportion to its runs, and the display of a large study shows a part of it."""

import json
import sys
import time
from io import StringIO

import pytest
from rich.console import Console
from studies import phantom_study, tables_of, work_of
from workdirs import write_run

from tljax.study import record
from tljax.study.display import ROWS, StudyDisplay
from tljax.study.grid import make_grid, pick
from tljax.study.planned import PlannedRun
from tljax.study.work import Outcome, WorkItem


def planned(workdir, count: int):
    """A study of `count` runs of five folds, none of which has begun."""
    return phantom_study(workdir, folds=(1, 2, 3, 4, 5), seeds=tuple(range(count // 5)), protocols=("paper",))


def calls(config) -> int:
    """Returns the number of function calls of planning, including those in C: it does not depend on the machine."""
    count = 0

    def counting(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        grid = make_grid(config)
        pick(grid.runs, "phantom,fold1")
        work_of(config, grid)
        record.record(config, grid, "", {})
        record.record(config, grid, "", {})  # which now finds what the first one planned
        tables_of(config, grid)
    finally:
        sys.setprofile(before)
    return count


def test_planning_four_times_the_runs_takes_about_four_times_the_work(tmp_path):
    calls(planned(tmp_path / "warm", 100))
    small, large = (calls(planned(tmp_path / str(count), count)) for count in (250, 1000))
    assert 3 * small < large < 4.6 * small, f"{small:,} calls for 250 runs, {large:,} for 1,000"


def test_thirty_thousand_planned_runs_are_recorded_in_seconds(tmp_path):
    """The runs of earlier commands are looked up in a dictionary, not searched in a list."""
    config = planned(tmp_path, 100)
    grid = make_grid(config)
    (tmp_path / "study.json").write_text(json.dumps({"planned": [f"phantom/x{n}/fold1" for n in range(30_000)]}))
    began = time.process_time()
    record.record(config, grid, "", {})
    assert time.process_time() - began < 60  # a busy machine is given time; a search would take far longer
    assert json.loads((tmp_path / "study.json").read_text())["runs"] == 100  # none of the others was begun


@pytest.fixture
def grid(tmp_path):
    return make_grid(planned(tmp_path, 5 * (ROWS + 10)))


def test_a_large_grid_shows_the_running_networks_first(grid):
    console = Console(file=StringIO(), force_terminal=True, width=100, height=200)
    last: PlannedRun = grid.runs[-1]
    write_run(last.config.workdir, "phantom", "random", fold=5, tag=last.condition, finished=False, epochs=3)
    item = WorkItem(str(last), int, folder=last.folder)
    with StudyDisplay(console, grid.runs, 10) as display:
        display.update([item])
        shown = console.file.getvalue()
        assert "epoch 3" in shown and "and 10 more" in shown
        display.ended(WorkItem("other", int), Outcome("failed", "no luck"))
        assert "no luck" in console.file.getvalue()
