"""The study: the order of its work, its tables, and what can go wrong."""

import dataclasses
import errno
import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studies import TINY, phantom_study, rows_of, without_clock
from workdirs import write_run

from tljax import runs, study
from tljax.errors import UserError
from tljax.files import write_csv
from tljax.progress import console
from tljax.study import comparing
from tljax.study.authors import LAYERS
from tljax.study.display import StudyDisplay
from tljax.study.grid import make_grid
from tljax.study.local import LocalLauncher
from tljax.study.schedule import run_all
from tljax.study.tables import comparable, write_tables
from tljax.study.units import Outcome, Unit, attempt


class Inline:
    """A launcher that does everything here and now, one unit at a time."""

    def __init__(self):
        self.order, self._ended = [], []
        self.free = 1

    def submit(self, units):
        for unit in units:
            self.order.append(unit.name)
            self._ended.append((unit, attempt(unit)))

    def collect(self, seconds):
        ended, self._ended = self._ended, []
        return ended

    def stop(self):
        return True

    def close(self):
        pass


def do(units):
    launcher, outcomes = Inline(), {}
    with StudyDisplay(console, [], len(units)) as display:
        run_all(units, launcher, display, outcomes)
    return outcomes, launcher.order


def fail(error):
    raise error


# The work


def test_work_waits_for_what_it_follows_and_needs():
    nothing = functools.partial(int)
    units = [
        Unit("c", nothing, needs=frozenset({"b"})),
        Unit("b", nothing, after=frozenset({"a"})),
        Unit("a", nothing),
    ]
    assert do(units)[1] == ["a", "b", "c"]


def test_a_failure_stops_what_builds_on_it_and_nothing_else():
    units = [
        Unit("bad", functools.partial(fail, UserError("no such image"))),
        Unit("needs it", int, needs=frozenset({"bad"})),
        Unit("needs that", int, needs=frozenset({"needs it"})),
        Unit("follows it", int, after=frozenset({"bad"})),
        Unit("crashes", functools.partial(fail, RuntimeError("a bug"))),
        Unit("other", int),
    ]
    outcomes, order = do(units)
    assert {name for name, outcome in outcomes.items() if outcome.status == "done"} == {"follows it", "other"}
    assert order == ["bad", "follows it", "crashes", "other"]
    assert outcomes["bad"].message == "no such image"
    assert "RuntimeError: a bug" in outcomes["crashes"].message


def test_a_full_disk_ends_the_study_at_once(tmp_path):
    def refuse():
        try:
            raise ValueError("RESOURCE_EXHAUSTED: failed to write 5 bytes: No space left on device [28]")
        except ValueError as error:
            raise UserError("could not write the checkpoint") from error

    full = functools.partial(fail, OSError(errno.ENOSPC, "No space left on device", "/w/run"))
    for work in (refuse, full):
        outcomes, order = do([Unit("first", work, folder=tmp_path), Unit("second", int)])
        assert order == ["first"]
        assert outcomes["first"] == Outcome("failed", f"No space left on device: {tmp_path}", halts=True)


def test_a_worker_that_dies_is_one_failure_and_is_replaced():
    units = [Unit("dies", functools.partial(os._exit, 1)), Unit("lives", int)]
    outcomes = {}
    with StudyDisplay(console, [], len(units)) as display:
        run_all(units, LocalLauncher(), display, outcomes)
    assert outcomes == {
        "dies": Outcome("failed", "its process died: out of memory, or killed", died=True),
        "lives": Outcome("done"),
    }


# The tables


@pytest.fixture
def finished(tmp_path):
    """A study of two initialisations, two folds, with and without freeze; its comparisons lie there as if computed."""
    train = dataclasses.replace(TINY, epochs=200)
    config = phantom_study(tmp_path, inits=("imagenet", "random"), freezes=(False, True), train=train)
    for fold in (1, 2):
        for init, freeze, gap in (("imagenet", False, 2.0), ("imagenet", True, 1.5), ("random", False, 0.5)):
            settings = {"image_size": 32, "augment": "none", "dropout": 0.0 if init == "random" else 0.5}
            write_run(tmp_path, "phantom", init, freeze=freeze, fold=fold, signal=gap, **settings)
    return config


@pytest.fixture
def grid(finished, monkeypatch):
    monkeypatch.setattr("tljax.study.grid._need_weights", lambda *_: None)
    found = make_grid(finished)
    for cells in comparable(found.cells):
        rows = [
            (
                "phantom",
                one.name,
                other.name,
                cells[0].config.fold,
                "test",
                "paper",
                "cca",
                layer,
                layer,
                0.1 * number,
                "",
            )
            for one, other in comparing.pairs(comparing.states(cells))
            for number, layer in enumerate(LAYERS)
        ]
        columns = (
            "task",
            "model1",
            "model2",
            "fold",
            "split",
            "protocol",
            "measure",
            "layer1",
            "layer2",
            "value",
            "flag",
        )
        write_csv(comparing.table_path(cells[0]), columns, rows)
    return found


def test_the_compared_pairs_are_the_published_ones(grid):
    names = {(one.name, other.name) for one, other in comparing.pairs(comparing.states(grid.cells[:3]))}
    assert names == {
        ("imagenet-nofreeze", "random-nofreeze"),
        ("imagenet-nofreeze", "imagenet-freeze"),
        ("imagenet-nofreeze", "imagenet"),
        ("imagenet-nofreeze", "random"),
        ("imagenet-freeze", "imagenet"),
        ("random-nofreeze", "random"),
        ("imagenet", "random"),
        ("random", "random:1"),
    }


def test_the_authors_tables_have_the_authors_schemas_and_names(finished, grid, shared):
    results = write_tables(finished, grid)
    published = shared / "reference" / "published" / "results"
    for name, theirs in [
        ("AUC.csv", "AUC.csv"),
        ("CCA_phantom.csv", "CCA_breast.csv"),
        ("similarity.csv", "similarity.csv"),
        ("simVSaucImNet.csv", "simVSaucImNet.csv"),
    ]:
        ours, reference = rows_of(results / name), rows_of(published / theirs)
        first, *others = (results / name).read_text(encoding="utf-8").splitlines()
        assert first == (published / theirs).read_text(encoding="utf-8").splitlines()[0]
        figures = [cell for line in others for cell in line.split(",") if cell[:1].isdigit()]
        assert figures and all(repr(float(cell)) == cell for cell in figures)  # as pandas writes them
        for column in {"source", "freeze", "fold", "prob"} & set(ours[0]):
            assert {row[column] for row in ours} <= {row[column] for row in reference} | {"random"}
    breast = {(row["model1"], row["model2"]) for row in rows_of(published / "CCA_breast.csv")}
    ours = rows_of(results / "CCA_phantom.csv")
    renamed = {tuple(row[side].replace("phantom", "breast") for side in ("model1", "model2")) for row in ours}
    ours_alone = {("breast-ImageNet-freezeFalse", "breast-random-freezeFalse"), ("breast-random-freezeFalse", "random")}
    assert renamed - ours_alone == {pair for pair in breast if "RadImageNet" not in "".join(pair)}


@pytest.mark.parametrize(
    ("name", "theirs", "columns"),
    [
        ("AUC.csv", "AUC.csv", ("source", "freeze", "fold")),
        ("similarity.csv", "similarity.csv", ("freeze", "fold", "prob")),
        ("simVSaucImNet.csv", "simVSaucImNet.csv", ("model2", "fold")),
    ],
)
def test_the_authors_tables_have_their_order(finished, grid, shared, name, theirs, columns):
    ours = rows_of(write_tables(finished, grid) / name)
    wanted = [
        tuple(row[column] for column in columns)
        for row in rows_of(shared / "reference" / "published" / "results" / theirs)
        if row.get("target", row.get("stimuli")) == "breast" and row["fold"] in ("fold1", "fold2")
        if row.get("source") != "RadImageNet" and row.get("freeze") in {own.get("freeze") for own in ours}
    ]
    assert [tuple(row[column] for column in columns) for row in ours] == wanted


def test_all_folds_of_two_networks_stand_together(finished, grid):
    rows = rows_of(write_tables(finished, grid) / "CCA_phantom.csv")
    pairs = [(row["model1"], row["model2"]) for row in rows]
    assert [row["fold"] for row in rows] == ["fold1", "fold2"] * len(set(pairs))
    assert pairs[::2] == pairs[1::2]


def test_a_flagged_figure_stays_in_the_tidy_table_alone(finished, grid):
    path = comparing.table_path(grid.cells[0])
    path.write_text(path.read_text().replace("block4,block4,0.4,", "block4,block4,0.4,too few samples"))
    results = write_tables(finished, grid)
    assert any(row["flag"] and row["value"] == "0.4" for row in rows_of(results / "representations.csv"))
    assert {row["block4"] for row in rows_of(results / "CCA_phantom.csv") if row["fold"] == "fold1"} == {""}
    assert "block4" not in {row["layer"] for row in rows_of(results / "gain.csv") if row["fold"] == "1"}


def test_the_figures_of_the_tables_are_those_of_the_runs(finished, grid):
    results = write_tables(finished, grid)
    aucs = {(r["source"], r["freeze"], r["fold"]): float(r["AUC"]) for r in rows_of(results / "AUC.csv")}
    assert len(aucs) == 6
    for cell in grid.cells:
        source = {"imagenet": "ImageNet"}.get(cell.label, cell.label)
        auc = runs.read_run(cell.folder).result["test"]["auc"]
        assert aucs[source, f"freeze{cell.config.freeze}", f"fold{cell.config.fold}"] == auc

    one, other = (runs.read_run(cell.folder).predictions.of_split("test") for cell in (grid.cells[0], grid.cells[2]))
    right = [(p.probabilities.argmax(1) == p.labels) for p in (one, other)]
    row = rows_of(results / "agreement.csv")[0]
    assert (row["model1"], row["model2"]) == ("imagenet-nofreeze", "random-nofreeze")
    assert float(row["observed"]) == pytest.approx(np.mean(right[0] == right[1]))
    gains = rows_of(results / "gain.csv")
    assert len(gains) == 2 * 2 * len(LAYERS)
    base, gained = aucs["random", "freezeFalse", "fold1"], aucs["ImageNet", "freezeFalse", "fold1"]
    assert (gains[0]["init"], gains[0]["freeze"], gains[0]["layer"]) == ("imagenet", "nofreeze", "conv1")
    assert float(gains[0]["gain"]) == pytest.approx(gained / base - 1)
    real, rand = rows_of(results / "similarity.csv")[:2]
    assert float(real["value"]) == float(row["observed"])
    a, b = right[0].mean(), right[1].mean()
    assert float(rand["value"]) == pytest.approx(a * b + (1 - a) * (1 - b))


def test_comparisons_of_a_run_that_was_trained_again_are_forgotten(grid):
    cells = comparable(grid.cells)[0]
    known = len(comparing.read(cells))
    assert not comparing.missing(cells, ("paper",), ("cca",))
    later = time.time() + 10
    result = cells[1].folder / runs.RESULT
    os.utime(result, (later, later))
    (wanted,) = comparing.missing(cells, ("paper",), ("cca",)).values()
    assert all(cells[1].variant in {state.name for state in pair} for pair in wanted)
    assert len(comparing.read(cells)) == known - len(LAYERS) * len(wanted)


def test_nothing_is_left_to_do_of_a_finished_study(finished, grid):
    config = dataclasses.replace(finished, protocols=("paper",), measures=("cca",))
    todo = study.make_units(config, grid, grid.cells)
    assert {unit.name.split()[0] for unit in todo} == {"explain"}


def test_weights_go_only_after_all_that_needs_them(finished, grid):
    config = dataclasses.replace(finished, keep="none")
    (grid.cells[0].folder / runs.CHECKPOINT).mkdir()
    units = study.make_units(config, grid, grid.cells)
    (last,) = [unit for unit in units if unit.name.startswith("forget")]
    earlier = {unit.name for unit in units if "fold 1" in unit.name} - {last.name}
    assert last.needs == earlier
    last.work()
    assert not (grid.cells[0].folder / runs.CHECKPOINT).exists()


# Everything together


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Two classes that differ in brightness; twenty patients, an image of each class of everyone."""
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
    """A real one, of images of one's own."""
    monkeypatch.setenv("TLJAX_CACHE", str(tmp_path / "cache"))
    train = dataclasses.replace(TINY, data_dir=images, batch_size=8)
    return phantom_study(tmp_path / "study", tasks=("folder",), train=train, protocols=("paper",), measures=("cca",))


@pytest.fixture
def inline(monkeypatch):
    monkeypatch.setattr(study, "LocalLauncher", Inline)


def same(one: str, other: str) -> bool:
    """Cells are equal, or numbers that differ by rounding: two processes may share out the cores differently."""
    try:
        return one == other or abs(float(one) - float(other)) < 1e-3
    except ValueError:
        return False


def test_killed_and_started_again_it_redoes_nothing_and_ends_with_the_same_tables(own_study, tmp_path, inline):
    path = tmp_path / "config.py"
    path.write_text(
        "from pathlib import Path, PosixPath\nfrom tljax.config import *\nfrom tljax.config import SlurmConfig\n"
        f"config = {own_study!r}\n"
    )
    command = [sys.executable, "-m", "tljax.study", "--config", str(path)]
    child = subprocess.Popen(command, cwd=Path(__file__).parents[1], stderr=subprocess.PIPE, text=True)
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
            study.study(own_study)
            break
        except UserError as error:
            assert "another process is training" in str(error) and time.monotonic() < deadline, error
            time.sleep(1)
    assert first.stat().st_mtime_ns == finished_at
    again = without_clock(own_study.workdir / "results")

    whole = dataclasses.replace(own_study, workdir=tmp_path / "uninterrupted")
    results = study.study(whole)
    assert without_clock(results).keys() == again.keys()
    for name, rows in without_clock(results).items():
        for row, other in zip(rows, again[name], strict=True):
            assert row.keys() == other.keys()
            assert all(same(row[key], other[key]) for key in row), (name, row, other)
    assert {row["status"] for row in again["runs.csv"]} == {"finished"}
    assert [row["fold"] for row in again["CCA_folder.csv"]] == ["fold1", "fold2"] * 2

    written = {path: path.stat().st_mtime_ns for path in whole.workdir.rglob("*") if path.name != "study.json"}
    assert not study.make_units(whole, make_grid(whole), make_grid(whole).cells)
    assert written


def test_two_studies_do_not_meet_in_one_folder(tmp_path):
    with study.alone(tmp_path), pytest.raises(UserError, match="another study is at work"), study.alone(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_one_clear_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*choose another --workdir"):
        study.study(phantom_study(tmp_path / "file" / "study"))


def test_study_json_tells_what_failed_and_what_was_left_out(own_study, inline, monkeypatch):
    monkeypatch.setattr(
        study, "_train", functools.partial(lambda config: fail(UserError(f"fold {config.fold} is bad")))
    )
    config = dataclasses.replace(own_study, inits=("radimagenet", "random"), train=dataclasses.replace(own_study.train))
    monkeypatch.setenv("TLJAX_WEIGHTS", str(own_study.workdir / "none"))
    with pytest.raises(UserError, match="fold 1 is bad"):
        study.study(config, "python -m tljax.study")
    facts = json.loads((config.workdir / "study.json").read_text())
    assert facts["failed"]["folder random-nofreeze fold 2"] == "fold 2 is bad"
    assert set(facts["left_out"]) == {"radimagenet"}
    assert facts["command"] == "python -m tljax.study"
    assert {row["status"] for row in rows_of(config.workdir / "results" / "runs.csv")} == {"unfinished"}
