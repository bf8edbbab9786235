"""Whole runs: mistakes of a user, signals of a scheduler, several processes, and crashes."""

import csv
import dataclasses
import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import crash, scaling
from tljax import datasets, weights
from tljax.core import devices, runs
from tljax.core.config import TrainConfig
from tljax.core.errors import EXIT_INTERRUPTED, EXIT_REQUEUE, EXIT_USER_ERROR, UserError, run_command
from tljax.core.files import write_csv
from tljax.train.loop import train
from tljax.train.phases import Phase, Selection, plan
from tljax.train.runwriter import RunWriter
from tljax.train.settings import DROPOUT, resolve

QUICK = dataclasses.replace(crash.SETTINGS, freeze=False, epochs=2)


def child(function, *args):
    """Runs a function in a separate process, in which jax has not yet initialised its devices."""
    process = multiprocessing.get_context("forkserver").Process(target=function, args=args)
    process.start()
    return process


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The folder of a finished run of two phases, and the seconds that one takes if everything is compiled."""
    config = dataclasses.replace(crash.SETTINGS, workdir=tmp_path_factory.mktemp("uninterrupted"), tensorboard=True)
    crash.complete(config)
    again = dataclasses.replace(config, workdir=tmp_path_factory.mktemp("again"))
    seconds = crash.complete(again)
    crash.assert_same(crash.folder_of(again), crash.folder_of(config))  # the same seed, the same bits
    return crash.folder_of(config), seconds


def wait_for_first_epoch(folder, process):
    """Waits until a training has made a new metrics.jsonl, just before it compiles or runs its first epoch."""
    path = folder / runs.METRICS
    before = path.stat().st_ino if path.exists() else None
    while not path.exists() or path.stat().st_ino == before:
        assert process.is_alive()
        time.sleep(0.005)


def config_of(folder):
    return dataclasses.replace(crash.SETTINGS, workdir=folder.parents[2])


def test_the_folder_of_a_finished_run_is_complete(uninterrupted):
    folder, _ = uninterrupted
    run = runs.read_run(folder)
    assert run.status == "finished"
    assert {row["phase"] for row in run.metrics} == {"head", "all"}
    assert not (folder / runs.RESUME).exists()
    tensors, card = weights.load(folder / runs.CHECKPOINT)
    assert card.classes == ("benign", "malignant") and tensors["head.bias"].shape == (2,)
    assert list((folder / runs.TENSORBOARD).glob("events*"))


def test_the_result_tells_what_the_last_epoch_would_have_scored(tmp_path):
    results = {}
    for select in ("val_loss", "last"):
        config = dataclasses.replace(QUICK, select=select, learning_rate=0.01, epochs=3, workdir=tmp_path / select)
        results[select] = runs.read_json(train(config) / runs.RESULT)
    scores = {part: results["last"][part] for part in ("val", "test", "held_out")}
    assert results["last"]["last"] == results["val_loss"]["last"] == scores | {"epoch": 3}
    assert results["val_loss"]["epoch"] != 3 and results["val_loss"]["test"] != scores["test"]


def test_a_finished_run_is_not_changed_and_other_settings_are_refused(uninterrupted):
    folder, _ = uninterrupted
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != runs.LOCK}
    assert train(config_of(folder)) == folder
    with pytest.raises(UserError, match="seed was 0, is now 1"):
        train(dataclasses.replace(config_of(folder), seed=1))
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.timeout(900)
def test_a_killed_run_ends_with_the_same_result(uninterrupted, tmp_path):
    reference, seconds = uninterrupted
    config = dataclasses.replace(crash.SETTINGS, workdir=tmp_path)
    tally = crash.kill_and_resume(config, reference, seconds, kills=2, seed=0)
    assert tally.kills == 2 and tally.runs >= 1


def test_stopped_by_a_scheduler_then_by_a_person_then_finished(uninterrupted, tmp_path):
    config = dataclasses.replace(crash.SETTINGS, workdir=tmp_path)
    folder = crash.folder_of(config)
    for number, code, epochs in ((signal.SIGTERM, EXIT_REQUEUE, {1}), (signal.SIGINT, EXIT_INTERRUPTED, {1, 2})):
        process = crash.start(config)
        wait_for_first_epoch(folder, process)
        os.kill(process.pid, number)
        process.join()
        assert process.exitcode == code
        assert crash.epochs_written(folder) in epochs
    crash.complete(config)
    crash.assert_same(folder, uninterrupted[0])


def test_a_run_does_not_go_on_with_other_folds(uninterrupted, tmp_path):
    folder, _ = uninterrupted
    with open(folder / runs.SPLIT, newline="") as lines:
        parts = {}
        for row in csv.DictReader(lines):
            parts.setdefault(row["split"], []).append(row)
    (tmp_path / "phantom").mkdir()
    turned = {"train": parts["train"], "val": parts["test"], "test": parts["val"]}
    for part, listed in turned.items():
        write_csv(tmp_path / f"phantom/{part}_fold1.csv", ["path", "class"], ((r["file"], r["label"]) for r in listed))
    with pytest.raises(UserError, match="split was"):
        train(dataclasses.replace(config_of(folder), folds_dir=tmp_path))


def test_a_fold_list_without_images_is_refused(tmp_path):
    data = datasets.load("phantom", image_size=32)
    rows = [(file, data.card.classes[label]) for file, label in zip(data.files, data.labels, strict=True)]
    (tmp_path / "phantom").mkdir()
    for part, listed in {"train": rows[::2], "val": [], "test": rows[1::2]}.items():
        write_csv(tmp_path / f"phantom/{part}_fold1.csv", ["path", "class"], listed)
    with pytest.raises(UserError, match="fold 1 has no val images; list at least one in --folds-dir"):
        train(dataclasses.replace(QUICK, folds_dir=tmp_path, allow_leakage=True, workdir=tmp_path))


def test_a_second_process_on_a_run_folder_is_refused(tmp_path):
    with (
        RunWriter(tmp_path),
        pytest.raises(UserError, match=f"process {os.getpid()} on .* is training"),
        RunWriter(tmp_path),
    ):
        pass


def _train_on_full_disk(config):
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # no file may grow beyond this: writes fail
    run_command(lambda: train(config))


def test_a_full_disk_gives_a_message_and_the_run_can_continue(uninterrupted, tmp_path, capfd):
    config = dataclasses.replace(crash.SETTINGS, workdir=tmp_path)
    process = child(_train_on_full_disk, config)
    process.join()
    assert process.exitcode == EXIT_USER_ERROR
    crash.complete(config)
    crash.assert_same(crash.folder_of(config), uninterrupted[0])


def test_a_loss_that_is_not_a_number_stops_with_a_message(tmp_path):
    config = dataclasses.replace(QUICK, train="head", augment="none", learning_rate=1e38, workdir=tmp_path)
    with pytest.raises(UserError, match="Lower --learning-rate"):
        train(config)


def _train_with_devices(config, count):
    scaling.force_devices(count)
    train(config)


def _one_of_several(config):
    scaling.force_devices(1)
    run_command(lambda: train(config), devices.leave)


def test_two_processes_end_together_then_train_what_one_with_two_devices_trains(tmp_path):
    quick = dataclasses.replace(QUICK, variant="torch_v1.5")  # no biases before BatchNorm, whose gradients are rounding
    one = dataclasses.replace(quick, workdir=tmp_path / "one")
    address = {"distributed": True, "coordinator": "localhost:12421", "num_processes": 2}
    two = [dataclasses.replace(quick, workdir=tmp_path / "two", **address, process_id=index) for index in range(2)]
    first, second = (child(_one_of_several, config) for config in two)
    wait_for_first_epoch(crash.folder_of(two[0]), first)
    second.kill()
    first.join(timeout=90)
    assert first.exitcode == EXIT_USER_ERROR
    first, second = (child(_one_of_several, config) for config in two)
    wait_for_first_epoch(crash.folder_of(two[0]), first)
    second.terminate()  # as a scheduler tells the processes of a host to stop
    for process in (first, second):
        process.join(timeout=90)
        assert process.exitcode == EXIT_REQUEUE
    assert crash.epochs_written(crash.folder_of(two[0])) == 1
    for process in (child(_train_with_devices, one, 2), *(child(_one_of_several, config) for config in two)):
        process.join()
        assert process.exitcode == 0
    ours, theirs = (weights.load(crash.folder_of(config) / runs.CHECKPOINT)[0] for config in (two[0], one))
    assert scaling.difference(theirs, ours) < 1e-5


def _scale(queue):
    scaling.force_devices(8)
    queue.put([scaling.train(count, "resnet_micro", 32, 10) for count in (1, 8)])


def test_eight_devices_train_what_one_trains_and_reduce_the_gradient_once():
    queue = multiprocessing.get_context("forkserver").SimpleQueue()
    process = child(_scale, queue)
    (one, silent, _), (eight, sent, parameters) = queue.get()
    process.join()
    assert scaling.difference(one, eight) < 1e-5
    assert silent == 0
    assert parameters < sent < 1.5 * parameters


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fold": 6}, "fold"),
        ({"epochs": 0}, "--epochs 0"),
        ({"batch_size": -1}, "--batch-size -1"),
        ({"learning_rate": float("nan")}, "--learning-rate"),
        ({"dataset": "brest"}, "brest"),
        ({"init": "imagnet"}, "imagnet"),
        ({"backbone": "resnet51"}, "resnet51"),
        ({"variant": "v2"}, "v2"),
        ({"data_dir": Path("nowhere"), "dataset": "breast"}, "nowhere"),
        ({"num_processes": 2}, "--distributed"),
        ({"seed": -1}, "--seed -1"),
        ({"seed": 2**32}, "--seed 4294967296: must be at least 0 and at most 4294967295"),
        ({"init": "random:\u00b2"}, "the seed must be a whole number"),
        ({"warmup_epochs": -1}, "--warmup-epochs -1"),
        ({"weight_decay": -0.1}, "--weight-decay -0.1"),
        ({"dropout": 1.0}, "--dropout 1.0"),
        ({"tag": "../x"}, "--tag '../x'"),
        ({"data_dir": Path("mine")}, "phantom is generated"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_settings_give_one_message(changes, message, tmp_path):
    with pytest.raises(UserError, match=message):
        train(dataclasses.replace(TrainConfig(image_size=32, quiet=True, workdir=tmp_path), **changes))


def rows(*scores):
    return [{"epoch": n, "val_loss": loss, "val_auc": auc} for n, (loss, auc) in enumerate(scores, start=1)]


def after(phase: Phase, *scores) -> Selection:
    selection = Selection()
    kept = [selection.offer(row, phase) for row in rows(*scores)]
    assert selection.epoch == max(number for number, taken in enumerate(kept, start=1) if taken)
    return selection


def planned(classes=(0, 1), **settings) -> list[Phase]:
    return plan(TrainConfig(**settings), np.array(classes))


@pytest.mark.parametrize(("rule", "epoch"), [("val_loss", 2), ("val_auc", 4), ("last", 5)])
def test_selection_keeps_the_best_epoch_and_settles_ties_by_loss(rule, epoch):
    (phase,) = planned(select=rule)
    assert phase.rule == rule
    assert after(phase, (0.9, 0.5), (0.5, 0.7), (0.8, 0.9), (0.7, 0.9), (0.6, 0.8)).epoch == epoch


def test_a_phase_stops_after_its_patience_but_never_if_the_last_epoch_is_kept():
    (phase,) = planned(select="val_loss", patience=3)
    assert [phase.exhausted(epoch, Selection(risen=4)) for epoch in (6, 7)] == [False, True]
    (phase,) = planned(select="last", patience=3)
    assert not phase.exhausted(99, Selection(risen=4))


def test_a_tied_score_is_kept_for_its_loss_and_is_no_improvement():
    (phase,) = planned(select="val_auc")
    selection = after(phase, (0.9, 0.8), (0.5, 0.8), (0.4, 0.8))
    assert (selection.epoch, selection.risen) == (3, 1)


@pytest.mark.parametrize(("select", "epoch"), [("val_accuracy", 2), ("last", 5)])
def test_the_head_that_is_handed_on_is_the_best_or_as_in_the_paper_the_last(select, epoch):
    """Either way training stops by the accuracy, as Keras' EarlyStopping does without restore_best_weights."""
    head, _ = planned(freeze=True, head_select=select, head_patience=3)
    scores = [{"epoch": n, "val_loss": 1.0, "val_accuracy": value} for n, value in enumerate((0.5, 0.8, 0.7, 0.8, 0.6))]
    selection = Selection()
    for row in scores:
        row["epoch"] += 1
        assert not head.exhausted(row["epoch"] - 1, selection)
        selection.offer(row, head)
    assert selection.epoch == epoch
    assert head.exhausted(5, selection)


def test_with_one_class_to_validate_on_the_loss_selects_and_is_named_as_the_rule():
    (phase,) = planned(select="val_auc", classes=(1, 1, 1))
    assert phase.rule == phase.monitor == "val_loss"
    assert after(phase, (0.9, np.nan), (0.5, np.nan), (0.7, np.nan)).epoch == 2


def test_warm_up_and_decay_apply_only_to_the_main_phase():
    head, main = planned(freeze=True, warmup_epochs=5, weight_decay=0.05)
    assert (head.warmup_epochs, head.weight_decay) == (0, 0)
    assert (main.warmup_epochs, main.weight_decay) == (5, 0.05)


def test_a_weights_folder_called_random_something_is_not_random():
    assert resolve(TrainConfig(init="random:3"), datasets.card("phantom")).dropout == 0
    assert resolve(TrainConfig(init="random-mine"), datasets.card("phantom")).dropout == DROPOUT
