"""Every config file is a valid study, says how to run it, and has the grid that it describes."""

import re
from pathlib import Path

import pytest

from tljax import datasets
from tljax.core.config import StudyConfig, load_config
from tljax.study.grid import make_grid

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def test_each_begins_with_its_command_and_the_result_to_expect(path):
    text = path.read_text()
    docstring = text.split('"""')[1]
    assert f"tljax study --config {path.stem}" in docstring
    assert re.search(r"\bExpect\b", docstring)


def test_each_is_a_study_of_tasks_that_exist(path):
    config = load_config(path, StudyConfig)
    assert set(config.tasks) <= set(datasets.names())
    assert set(config.overrides) <= set(config.tasks)


@pytest.mark.parametrize(("name", "runs"), [("paper", 175), ("radimagenet_replication", 120), ("breast", 15)])
def test_the_grid_has_as_many_runs_as_the_config_says(name, runs, everything_present):
    config = load_config(CONFIGS[0].with_name(f"{name}.py"), StudyConfig)
    grid = make_grid(config)
    assert not grid.left_out
    assert len(grid.runs) == len({run.folder for run in grid.runs}) == runs


def test_the_demo_downloads_nothing():
    config = load_config(CONFIGS[0].with_name("demo.py"), StudyConfig)
    grid = make_grid(config)
    assert not grid.left_out
    assert all(not datasets.card(run.config.dataset).needs_archive for run in (*grid.pretrain, *grid.runs))


@pytest.fixture
def everything_present(monkeypatch):
    """All archives prepared and all weights converted, as far as the grid can see."""
    monkeypatch.setattr("tljax.study.grid._need_data", lambda *_: None)
    monkeypatch.setattr("tljax.study.grid._need_weights", lambda *_: None)
