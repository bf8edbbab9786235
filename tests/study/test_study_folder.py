"""The folder of a study: damaged runs, the state after a stop, and the record of commands."""

import dataclasses
import functools
import json
import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest
from studies import TINY, phantom_study, rows_of, tables_of, work_of
from workdirs import write_run

from tljax.core import runs
from tljax.core.errors import Requeue, UserError
from tljax.core.files import write_csv
from tljax.core.paper import LAYERS
from tljax.core.progress import console
from tljax.study import repeats
from tljax.study.display import StudyDisplay
from tljax.study.grid import make_grid
from tljax.study.local import LocalLauncher
from tljax.study.planned import comparable
from tljax.study.run import run_study
from tljax.study.schedule import run_all
from tljax.study.stages import compare
from tljax.study.work import Outcome, WorkItem
from tljax.weights import networks

PLACE = "phantom/random-nofreeze/fold"
TRAIN = dataclasses.replace(TINY, epochs=200)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Three finished folds, without comparisons or explanations to make."""
    monkeypatch.setattr("tljax.study.stages.explain.is_done", lambda _: True)
    for fold in (1, 2, 3):
        write_run(tmp_path, "phantom", "random", fold=fold, image_size=32, augment="none", dropout=0.0)
    return phantom_study(tmp_path, folds=(1, 2, 3), train=TRAIN, protocols=())


def facts_of(config):
    return json.loads((config.workdir / "study.json").read_text())


# Damaged runs


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (runs.PREDICTIONS, None),
        (runs.PREDICTIONS, "file,label\n"),
        (runs.RESULT, "{"),
        (runs.RESULT, "{}"),
        (runs.CONFIG, "{"),
        (runs.SPLIT, None),
    ],
)
def test_a_damaged_run_is_named_and_left_out_of_the_tables(config, name, content):
    path = config.workdir / f"{PLACE}2" / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match=rf"(?s)1 of the runs cannot be read.*{name}.*remove .*fold2 to train it again"):
        run_study(config)
    results = config.workdir / "results"
    assert [row["status"] for row in rows_of(results / "runs.csv")] == ["finished", "corrupt", "finished"]
    assert [row["fold"] for row in rows_of(results / "AUC.csv")] == ["fold1", "fold3"]
    assert list(facts_of(config)["failed"]) == ["phantom random-nofreeze fold 2"]


def test_a_run_that_is_damaged_later_is_not_finished(config):
    run = make_grid(config).runs[0]
    assert run.finished
    (run.folder / runs.PREDICTIONS).unlink()
    assert run.status == "corrupt" and not run.finished


# Comparisons


def test_each_condition_has_its_own_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("tljax.study.grid._need_weights", lambda *_: None)
    config = phantom_study(
        tmp_path, inits=("imagenet", "random"), folds=(1,), preprocessings=("paper", "native"), train=TRAIN
    )
    planned = make_grid(config).runs
    for run in planned:
        settings = {"preprocessing": run.config.preprocessing, "dropout": 0.0 if run.label == "random" else 0.5}
        tag = run.condition
        write_run(tmp_path, "phantom", run.label, tag=tag, image_size=32, augment="none", **settings)
    columns = ("task", "model1", "model2", "fold", "split", "protocol", "measure", "layer1", "layer2", "value", "flag")
    for number, group in enumerate(comparable(planned)):
        pairs = compare.pairs(compare.states(group))
        rows = [
            ("phantom", one.name, other.name, 1, "test", "paper", "cca", layer, layer, (0.25, 0.75)[number], "")
            for one, other in pairs
            for layer in LAYERS
        ]
        write_csv(compare.table_path(group[0]), columns, rows)
    results = tables_of(config, make_grid(config))
    rows = rows_of(results / "representations.csv")
    keys = [tuple(row[key] for key in ("condition", "model1", "model2", "layer1")) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {(row["condition"], row["value"]) for row in rows} == {("paper", "0.25"), ("", "0.75")}
    assert {row[layer] for row in rows_of(results / "CCA_phantom.csv") for layer in LAYERS} == {"0.25"}


@pytest.fixture
def planned(config, monkeypatch):
    """Writes comparisons of fold 1 with a similarity of 0.5; those by the full protocol have one more column."""

    def compared(networks, images, pairs, protocol, measures, pool, patients):
        more = {"covers": "this n"} if protocol == "full" else {}
        return [
            SimpleNamespace(
                protocol=protocol,
                model1=networks[one],
                model2=networks[other],
                measure=measure,
                value=0.5,
                pool=pool,
                **more,
            )
            for one, other in pairs
            for measure in measures
        ]

    data = SimpleNamespace(patients=None, images=[0])
    monkeypatch.setattr(compare, "load", lambda _: (data, SimpleNamespace(test=0)))
    monkeypatch.setattr(compare, "network_of", lambda state: state.name)
    monkeypatch.setattr("tljax.compare.compare", compared)
    return comparable(make_grid(config).runs)[0]


def test_a_measure_that_is_added_does_not_repeat_the_others(planned):
    for measures in (("cca",), ("cca", "pwcca")):
        compare.compare_group(planned, ("paper",), measures)
    keys = [tuple(row.values()) for row in rows_of(compare.table_path(planned[0]))]
    assert len(keys) == len(set(keys)) == 2 * len(compare.pairs(compare.states(planned)))


def test_rows_with_other_columns_keep_each_value_in_its_column(planned):
    compare.compare_group(planned, ("paper",), ("cca",))
    compare.compare_group(planned, ("full",), ("cca",))
    rows = rows_of(compare.table_path(planned[0]))
    assert {(row["protocol"], row["value"], row["covers"]) for row in rows} == {
        ("paper", "0.5", ""),
        ("full", "0.5", "this n"),
    }


def test_networks_of_different_backbones_are_compared_with_pooled_images(config, planned, monkeypatch):
    """Their positions do not correspond. The paper's protocol, which compares positions, leaves them out."""
    write_run(config.workdir, "phantom", "imagenet", image_size=32, augment="none")
    monkeypatch.setattr("tljax.study.grid._need_weights", lambda *_: None)
    group = comparable(make_grid(dataclasses.replace(config, inits=("imagenet", "random"), folds=(1,))).runs)[0]
    monkeypatch.setattr(compare, "architecture", lambda run: (run.label, ""))
    compare.compare_group(group, ("paper", "full"), ("cca",))
    found = {(row["protocol"], row["pool"]): set() for row in rows_of(compare.table_path(group[0]))}
    for row in rows_of(compare.table_path(group[0])):
        found[row["protocol"], row["pool"]].add((row["model1"].split("-")[0], row["model2"].split("-")[0]))
    own = {("imagenet", "imagenet"), ("random", "random"), ("random", "random:1")}
    assert found == {("paper", "none"): own, ("full", "none"): own, ("full", "gap"): {("imagenet", "random")}}
    assert not compare.missing(group, ("paper", "full"), ("cca",))


def test_missing_weights_of_a_run_say_how_to_train_it_again(config):
    with pytest.raises(UserError, match=r"not kept .*remove the folder to train the run again"):
        networks.locate(str(config.workdir / f"{PLACE}1"))


# Stopping


@pytest.mark.parametrize("stop", [Requeue("told to"), KeyboardInterrupt()])
def test_a_study_that_is_stopped_leaves_its_plan_and_its_tables(config, monkeypatch, stop):
    def stopped(plan, items, outcomes):
        outcomes["compare phantom fold 1"] = Outcome("failed", "out of luck")
        raise stop

    monkeypatch.setattr("tljax.study.run.do_work", stopped)
    with pytest.raises(type(stop)):
        run_study(dataclasses.replace(config, folds=(1, 2, 3, 4)))
    statuses = [row["status"] for row in rows_of(config.workdir / "results" / "runs.csv")]
    assert statuses == ["finished"] * 3 + ["unfinished"]
    assert facts_of(config)["planned"] == [f"{PLACE}{fold}" for fold in (1, 2, 3, 4)]
    assert facts_of(config)["failed"] == {"compare phantom fold 1": "out of luck"}


def test_work_stopped_by_a_signal_is_not_a_failure():
    items = [
        WorkItem("compares", functools.partial(time.sleep, 300)),
        WorkItem("needs it", int, needs=frozenset({"compares"})),
    ]
    launcher, outcomes = LocalLauncher(), {}
    with StudyDisplay(console, [], len(items)) as display, pytest.raises(Requeue):
        threading.Timer(2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        run_all(items, launcher, display, outcomes)
    assert outcomes == {"compares": Outcome("stopped")}


# study.json


def test_every_command_that_worked_in_the_folder_is_recorded(config):
    full = "python -m tljax.study --config a.py"
    for command, only in ((f"{full} --only fold1", "fold1"), (full, ""), (f"{full} --only fold2", "fold2"), (full, "")):
        run_study(dataclasses.replace(config, only=only), command)
    assert facts_of(config)["command"] == full
    assert facts_of(config)["commands"] == [f"{full} --only fold1", full, f"{full} --only fold2"]
    assert facts_of(config)["runs"] == 3


def test_earlier_plans_and_failures_stay_recorded_until_done(config, monkeypatch):
    def done(outcomes_now):
        monkeypatch.setattr("tljax.study.run.do_work", lambda *given: given[-1].update(outcomes_now))

    tasks = ("phantom", "phantom-source")
    done({"phantom random-nofreeze fold 4": Outcome("failed", "no luck"), "compare x": Outcome("failed", "nor here")})
    with pytest.raises(UserError, match="2 work items failed"):
        run_study(dataclasses.replace(config, folds=(1, 4), tasks=tasks))
    assert f"{PLACE}1" in facts_of(config)["planned"] and len(facts_of(config)["planned"]) == 4
    done({"compare x": Outcome("done")})
    run_study(dataclasses.replace(config, folds=(2, 5)))
    assert facts_of(config)["planned"] == [f"{PLACE}{fold}" for fold in (2, 5, 1)]  # nothing else was ever begun
    assert facts_of(config)["failed"] == {"phantom random-nofreeze fold 4": "no luck"}
    write_run(config.workdir, "phantom", "random", fold=4, image_size=32, augment="none", dropout=0.0)
    run_study(dataclasses.replace(config, folds=(4, 5)))
    assert facts_of(config)["failed"] == {}


# Runs that repeat another


def test_a_run_whose_native_input_is_the_papers_is_trained_once(config, monkeypatch):
    trained = []
    monkeypatch.setattr("tljax.study.stages.train.train_run", lambda of: trained.append((of.init, of.preprocessing)))
    monkeypatch.setattr("tljax.study.grid._need_weights", lambda *_: None)
    both = dataclasses.replace(config, preprocessings=("native", "paper"), inits=("random", "radimagenet"), folds=(1,))
    for fold in (1, 2, 3):
        (config.workdir / f"{PLACE}{fold}" / runs.CHECKPOINT).mkdir()
    grid = make_grid(both)
    items = work_of(both, grid)
    native, paper = (next(c for c in grid.runs if c.label == "random" and c.condition == tag) for tag in ("", "paper"))
    (item,) = [item for item in items if item.folder == paper.folder]
    assert item.after == {str(native)}
    for item in items:
        item.work()
    assert trained == [("radimagenet", "native"), ("radimagenet", "paper")]
    one, other = (runs.read_run(run.folder) for run in (native, paper))
    assert paper.finished and other.result == one.result
    assert other.settings["preprocessing"] == "paper" and other.config["must_match"]["tag"] == "paper"
    assert other.config["copy_of"] == f"{PLACE}1"
    make_grid(both)  # which takes the copy for the run that it means


def test_weights_are_removed_only_after_the_runs_that_are_copied_from_them(config):
    both = dataclasses.replace(config, preprocessings=("native", "paper"), folds=(1,), keep="none")
    (config.workdir / f"{PLACE}1" / runs.CHECKPOINT).mkdir()
    grid = make_grid(both)
    native, paper = grid.runs
    (removal,) = [item for item in work_of(both, grid) if item.name == f"remove weights of {native.place_name}"]
    assert str(paper) in removal.needs


@pytest.mark.parametrize(("backbone", "same"), [("resnet_tiny", True), ("densenet_tiny", False)])
def test_a_random_network_is_copied_only_if_its_native_input_is_the_papers(config, backbone, same):
    train = dataclasses.replace(TRAIN, backbone=backbone)
    both = dataclasses.replace(config, train=train, preprocessings=("native", "paper"), folds=(4,))
    assert [repeats.has_same_input(run) for run in make_grid(both).runs] == [same, same]


def test_without_its_weights_a_repeated_run_is_trained(config):
    both = dataclasses.replace(config, preprocessings=("native", "paper"), folds=(1,))
    native, paper = make_grid(both).runs
    assert not repeats.copy(paper, native)
    assert not paper.folder.exists()
