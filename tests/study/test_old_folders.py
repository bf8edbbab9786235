"""Folders of tljax 0.1.0, from before the modules were moved: read, continued, or refused with what to do."""

import dataclasses
import shutil
import tarfile
from pathlib import Path

import pytest
import tiny  # noqa: F401  registers the network of these folders
from studies import rows_of, without_clock, work_of

from tljax.core import runs
from tljax.core.config import StudyConfig, TrainConfig, load_config
from tljax.core.errors import UserError
from tljax.study.grid import make_grid
from tljax.study.run import run_study
from tljax.train.loop import train
from tljax.train.runwriter import RunWriter
from tljax.train.setup import describe, prepare
from tljax.weights import networks

ARCHIVE = Path(__file__).parents[1] / "golden" / "old_folders.tar.gz"


@pytest.fixture
def old(tmp_path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture
def config(old) -> StudyConfig:
    """Its own config file, as it was written."""
    return dataclasses.replace(load_config(old / "config.py", StudyConfig), workdir=old / "study")


def test_a_finished_study_is_continued_without_repetition(config):
    before = without_clock(config.workdir / "results")
    assert before["runs.csv"][0]["status"] == "finished"
    grid = make_grid(config)
    assert not work_of(config, grid)
    run_study(config)
    assert without_clock(config.workdir / "results").keys() >= before.keys()  # later versions write further tables
    assert rows_of(config.workdir / "results" / "CCA_phantom.csv") == before["CCA_phantom.csv"]


def test_a_later_setting_is_compared_with_the_earlier_behaviour(config):
    train_config = dataclasses.replace(config.train, weight_decay=0.05)
    with pytest.raises(UserError, match=r"weight decay was 0\.0, is now 0\.05"):
        make_grid(dataclasses.replace(config, train=train_config))


def test_the_weights_of_a_finished_run_are_a_network(config):
    folder = config.workdir / "phantom" / "random-nofreeze" / "fold1"
    assert runs.read_run(folder).status == "finished"
    assert networks.resolve(str(folder)).card.classes == ("benign", "malignant")


def interrupted(old: Path, config: StudyConfig) -> TrainConfig:
    settings = {"freeze": True, "epochs": 3, "head_epochs": 2, "quiet": True, "workdir": old / "interrupted"}
    return dataclasses.replace(config.train, **settings)


def test_an_interrupted_run_is_refused_with_what_to_do(old, config):
    folder = old / "interrupted" / "phantom" / "random-freeze" / "fold1"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(
        UserError, match=r"random-freeze/fold1 is an unfinished run of an earlier tljax.*remove the folder"
    ):
        train(interrupted(old, config))
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_was_stopped_before_its_first_epoch_begins_again(old, config):
    folder = old / "interrupted" / "phantom" / "random-freeze" / "fold1"
    shutil.rmtree(folder / runs.RESUME)
    setup = prepare(interrupted(old, config))
    with RunWriter(folder) as writer:
        assert not writer.begin(describe(setup), setup.data, setup.fold)
    assert runs.read_run(folder).config["format"] == runs.FORMAT
