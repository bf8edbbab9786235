"""A study from beginning to end: killed, continued, and with failures."""

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studies import TINY, Inline, fail, phantom_study, rows_of, without_clock, work_of

from tljax.core import runs
from tljax.core.errors import UserError
from tljax.study.grid import make_grid
from tljax.study.run import alone, run_study


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Images of two classes that differ in brightness, from twenty patients with one image of each class."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    rows = ["file,label,patient"]
    for number in range(40):
        label = ("dark", "bright")[number % 2]
        pixels = rng.integers(0, 120, (32, 32, 3)) + 120 * (label == "bright")
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{label},p{number // 2}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture
def own_study(images, tmp_path, monkeypatch):
    """A study of a user's images, which are prepared in a cache of their own."""
    monkeypatch.setenv("TLJAX_CACHE", str(tmp_path / "cache"))
    train = dataclasses.replace(TINY, data_dir=images, batch_size=8)
    return phantom_study(tmp_path / "study", tasks=("folder",), train=train, protocols=("paper",), measures=("cca",))


@pytest.fixture
def inline(monkeypatch):
    monkeypatch.setattr("tljax.study.run.LocalLauncher", lambda per_device: Inline())


def same(one: str, other: str) -> bool:
    """Cells are equal, or numbers that differ by rounding: two processes may divide the cores differently."""
    try:
        return one == other or abs(float(one) - float(other)) < 1e-3
    except ValueError:
        return False


def test_a_killed_study_continues_and_writes_the_same_tables(own_study, tmp_path, inline):
    path = tmp_path / "config.py"
    path.write_text(f"from pathlib import Path, PosixPath\nfrom tljax.core.config import *\nconfig = {own_study!r}\n")
    command = [sys.executable, "-m", "tljax.study", "--config", str(path)]
    child = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True)
    first = own_study.workdir / "folder" / "random-nofreeze" / "fold1" / runs.RESULT
    while not first.exists():
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    finished_at = first.stat().st_mtime_ns

    deadline = time.monotonic() + 60  # the worker of a killed study ends by itself
    while True:
        try:
            run_study(own_study)
            break
        except UserError as error:
            assert "is training" in str(error) and time.monotonic() < deadline, error
            time.sleep(1)
    assert first.stat().st_mtime_ns == finished_at
    again = without_clock(own_study.workdir / "results")

    whole = dataclasses.replace(own_study, workdir=tmp_path / "uninterrupted")
    results = run_study(whole)
    assert without_clock(results).keys() == again.keys()
    for name, rows in without_clock(results).items():
        for row, other in zip(rows, again[name], strict=True):
            assert row.keys() == other.keys()
            assert all(same(row[key], other[key]) for key in row), (name, row, other)
    assert {row["status"] for row in again["runs.csv"]} == {"finished"}
    assert [row["fold"] for row in again["CCA_folder.csv"]] == ["fold1", "fold2"] * 2

    written = {path: path.stat().st_mtime_ns for path in whole.workdir.rglob("*") if path.name != "study.json"}
    assert not work_of(whole, make_grid(whole))
    assert written


def test_a_second_study_in_the_folder_is_refused(tmp_path):
    with alone(tmp_path), pytest.raises(UserError, match="another study is running"), alone(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_one_clear_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*choose another --workdir"):
        run_study(phantom_study(tmp_path / "file" / "study"))


def test_study_json_records_failures_and_what_was_left_out(own_study, inline, monkeypatch):
    monkeypatch.setattr(
        "tljax.study.stages.train.train_run", lambda config: fail(UserError(f"fold {config.fold} is bad"))
    )
    config = dataclasses.replace(own_study, inits=("radimagenet", "random"), train=dataclasses.replace(own_study.train))
    monkeypatch.setenv("TLJAX_WEIGHTS", str(own_study.workdir / "none"))
    with pytest.raises(UserError, match="fold 1 is bad"):
        run_study(config, "python -m tljax.study")
    facts = json.loads((config.workdir / "study.json").read_text())
    assert facts["failed"]["folder random-nofreeze fold 2"] == "fold 2 is bad"
    assert set(facts["left_out"]) == {"radimagenet"}
    assert facts["command"] == "python -m tljax.study"
    assert {row["status"] for row in rows_of(config.workdir / "results" / "runs.csv")} == {"unfinished"}
