"""Every task trains for an epoch from its miniature archive, by the command, in one process."""

import csv
import sys
from dataclasses import replace

import archives
import numpy as np
import pytest

from tljax import datasets
from tljax.core.config import StudyConfig, TrainConfig, to_json
from tljax.core.errors import UserError
from tljax.core.runs import read_json
from tljax.study.grid import make_grid
from tljax.train import runwriter
from tljax.train.__main__ import main
from tljax.train.loop import train
from tljax.train.phases import plan

# Streamed batches of one shape, and one cache of compiled programs: a program is compiled once for each number of
# classes. That all layers learn is the concern of the tests of training.
SETTINGS = "--backbone resnet_tiny --image-size 32 --batch-size 16 --epochs 1 --train head --storage stream --quiet"


ONE_LAYOUT_EACH = dict(archives.ARCHIVES.values())


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.filterwarnings("ignore:.*its validation AUC is undefined")
@pytest.mark.parametrize("task", ONE_LAYOUT_EACH)
def test_a_task_trains_for_an_epoch(task, cache, tmp_path, monkeypatch):
    data_dir, runs = ONE_LAYOUT_EACH[task](tmp_path / "archive"), tmp_path / "runs"
    places = ("--data-dir", str(data_dir), "--workdir", str(runs), "--cache-dir", str(cache))
    monkeypatch.setattr(sys, "argv", ["tljax.train", "--dataset", task, *places, *SETTINGS.split()])
    main()
    (run,) = runs.glob("*/*/fold1")
    assert (run / "result.json").is_file()
    with open(run / "predictions.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    classes = datasets.card(task).classes or (("0", "1") if task == "medmnist" else ("cat", "dog"))
    assert {row["split"] for row in rows} == {"val", "test"}
    for row in rows:
        assert sum(float(row[label]) for label in classes) == pytest.approx(1, abs=1e-4)


def test_a_leak_that_the_users_table_states_is_refused_or_recorded(cache, tmp_path, monkeypatch):
    """Patient p0 has an image in train and one in test."""
    parts = ["train"] * 8 + ["val"] * 2 + ["test"] * 2
    lines = [
        (f"{row}.png", ("cat", "dog")[row % 2], f"p{row if row % 11 else 0}", part) for row, part in enumerate(parts)
    ]
    archives.write_images(tmp_path / "own" / name for name, *_ in lines)
    archives.write_csv(tmp_path / "own" / "labels.csv", ("file", "label", "patient", "split"), lines)
    config = TrainConfig(
        dataset="folder", data_dir=tmp_path / "own", workdir=tmp_path / "runs", cache_dir=cache, quiet=True, epochs=1,
        backbone="resnet_tiny", image_size=32, batch_size=16, train="head", storage="stream",
    )  # fmt: skip
    with pytest.raises(UserError, match=r"has 1 patients in both train and test \(p0\): .*--allow-leakage"):
        train(config)
    with pytest.raises(UserError, match=r"has 1 patients in both train and test \(p0\): .*--allow-leakage"):
        make_grid(StudyConfig(tasks=("folder",), inits=("random",), workdir=tmp_path / "study", train=replace(
            TrainConfig(), data_dir=config.data_dir, cache_dir=cache, image_size=32
        )))  # fmt: skip
    assert not (tmp_path / "runs").exists() and not (tmp_path / "study").exists()
    folder = train(replace(config, allow_leakage=True))
    leak = {"parts": ["train", "test"], "unit": "patient", "count": 1, "names": ["p0"]}
    assert read_json(folder / "config.json")["leakage"] == [leak]
    assert read_json(folder / "config.json")["config"]["allow_leakage"] is True


def test_settings_recorded_by_an_earlier_version_are_still_the_same_settings(tmp_path):
    new = to_json(TrainConfig(folds="grouped"))
    old = {name: value for name, value in new.items() if name not in ("group_duplicates", "allow_leakage")}
    runwriter._refuse_other_settings(tmp_path, old | {"folds": "honest"}, new)
    with pytest.raises(UserError, match="group duplicates was False, is now True"):
        runwriter._refuse_other_settings(tmp_path, old, new | {"group_duplicates": True})


def test_a_validation_part_of_one_class_is_selected_by_loss_and_says_so():
    """Its AUC is undefined in every epoch, so `result.json` must not claim that it selected."""
    one, both = np.zeros(4, np.int32), np.array([0, 1], np.int32)
    config = TrainConfig(select="val_auc")
    assert [plan(config, labels)[-1].rule for labels in (one, both)] == ["val_loss", "val_auc"]
