"""Screening in a study: before the runs, or to decide which runs there are."""

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
from studies import phantom_study, work_of

from tljax.core.config import StudyConfig
from tljax.core.errors import UserError
from tljax.study.checks import checked
from tljax.study.grid import make_grid
from tljax.study.shortlist import folder_of, screen_first
from tljax.study.work import attempt


def write_shortlist(workdir: Path, kept: list[str], facts: dict[str, tuple[str, str, str]]) -> None:
    folder = folder_of(workdir, "phantom")
    folder.mkdir(parents=True)
    for name, columns, rows in (
        ("shortlist", ["rank", "network", "reason"], [[place, name, "best"] for place, name in enumerate(kept, 1)]),
        ("cost", ["network", "spec", "backbone", "variant"], [[name, *fact] for name, fact in facts.items()]),
    ):
        with open(folder / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows([columns, *rows])


def test_a_shortlist_is_the_grid_of_its_task(tmp_path):
    facts = {
        "random:3": ("random:3", "resnet_tiny", "torch_v1.5"),
        "random (resnet50)": ("random", "resnet50", "torch_v1.5"),
    }
    write_shortlist(tmp_path, list(facts), facts)
    grid = make_grid(checked(phantom_study(tmp_path, inits=("shortlist",), folds=(1,))))
    found = {(run.config.init, run.config.backbone, run.config.variant, run.config.tag) for run in grid.runs}
    assert found == {("random:3", "resnet_tiny", "torch_v1.5", ""), ("random", "resnet50", "torch_v1.5", "resnet50")}
    screen_first(phantom_study(tmp_path, inits=("shortlist",)))  # it is there: nothing is screened


def test_a_missing_shortlist_is_a_message(tmp_path):
    with pytest.raises(UserError, match=r"phantom has no shortlist in .* yet; run the study without --dry-run"):
        make_grid(phantom_study(tmp_path, inits=("shortlist",)))


@pytest.mark.parametrize("inits", [("shortlist", "random"), ("random", "shortlist")])
def test_a_shortlist_cannot_be_combined_with_other_initialisations(tmp_path, inits):
    with pytest.raises(UserError, match="shortlist cannot be combined"):
        checked(phantom_study(tmp_path, inits=inits))


def test_a_config_file_may_say_shortlist_alone():
    """The config file is needed because the type checks of the tests would refuse such a call."""
    settings = SimpleNamespace(inits="shortlist")
    StudyConfig.__post_init__(settings)
    assert settings.inits == ("shortlist",)


def test_the_tasks_are_screened_before_their_runs_and_once(tmp_path, monkeypatch):
    told = []

    def screen(config, called):
        told.append((config, called))
        write_shortlist(tmp_path, ["random"], {"random": ("random", "resnet_tiny", "torch_v1.5")})

    monkeypatch.setattr("tljax.screen.screening.screen", screen)
    config = checked(phantom_study(tmp_path, screen=True, folds=(1,)))
    items = work_of(config, make_grid(config))
    assert items[0].name == "screen phantom"
    outcome = attempt(items[0])
    assert outcome.status == "done", outcome.message
    settings, called = told[0]
    assert (settings.dataset, settings.image_size, settings.out) == ("phantom", 32, folder_of(tmp_path, "phantom"))
    assert settings.networks == ("random",) and called == {"random": "random"}
    assert all(item.name != "screen phantom" for item in work_of(config, make_grid(config)))
    without = checked(phantom_study(tmp_path / "other", folds=(1,)))
    assert all("screen" not in item.name for item in work_of(without, make_grid(without)))
