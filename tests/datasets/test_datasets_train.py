"""Every task trains for an epoch from its miniature archive, by the command, in one process."""

import csv
import sys

import archives
import pytest

from tljax import datasets
from tljax.train.__main__ import main

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
    classes = datasets.card(task).classes or {"folder": ("cat", "dog"), "medmnist": ("0", "1")}[task]
    assert {row["split"] for row in rows} == {"val", "test"}
    for row in rows:
        assert sum(float(row[label]) for label in classes) == pytest.approx(1, abs=1e-4)
