"""The grid of a study: its axes, dependencies, what is left out, and mistakes in the config."""

import copy
import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from archives import write_images
from PIL import Image
from studies import TINY, phantom_study, work_of
from workdirs import write_run

from tljax import datasets, models, weights
from tljax.core import runs
from tljax.core.config import StudyConfig, TrainConfig, load_config
from tljax.core.errors import UserError
from tljax.datasets.folds import load_data
from tljax.study.grid import make_grid, pick
from tljax.study.run import run_study
from tljax.weights import networks


def wrong(config, setting: str, value):
    """Returns a copy with a setting of another type, which the type checks of the tests would forbid."""
    found = copy.copy(config)
    object.__setattr__(found, setting, value)
    return found


def test_the_grid_is_the_product_of_its_axes_fold_by_fold(tmp_path):
    config = phantom_study(
        tmp_path, tasks=("phantom", "phantom-source"), seeds=(0, 7), preprocessings=("native", "paper")
    )
    planned = make_grid(config).runs
    assert len(planned) == 2 * 2 * 2 * 2
    assert [run.config.fold for run in planned[:8]] == [1] * 4 + [2] * 4
    assert planned[0].folder == tmp_path / "phantom" / "random-nofreeze" / "fold1"
    assert {run.config.seed for run in planned} == {0, 7}
    assert {run.condition for run in planned} == {"", "paper", "seed7", "paper-seed7"}


def test_an_axis_that_grows_leaves_earlier_runs_in_their_folders(tmp_path):
    before = {run.folder for run in make_grid(phantom_study(tmp_path)).runs}
    seeds = make_grid(phantom_study(tmp_path, seeds=(1, 0))).runs
    inputs = make_grid(phantom_study(tmp_path, preprocessings=("paper", "native"))).runs
    assert before < {run.folder for run in seeds} and before < {run.folder for run in inputs}
    of_one = {run.folder for run in make_grid(phantom_study(tmp_path, seeds=(1,))).runs}
    assert of_one == {run.folder for run in seeds} - before


def test_a_random_backbone_is_never_frozen(tmp_path):
    planned = make_grid(phantom_study(tmp_path, freezes=(False, True))).runs
    assert not any(run.config.freeze for run in planned)


def test_recipes_and_overrides_reach_the_runs_they_are_meant_for(tmp_path):
    recipes = ({"learning_rate": 1e-2, "tag": "fast"}, {"learning_rate": 1e-4, "tag": "slow", "train": "head"})
    overrides = {"phantom-source": {"image_size": 16}}
    config = phantom_study(tmp_path, tasks=("phantom", "phantom-source"), recipes=recipes, overrides=overrides)
    found = {(c.config.dataset, c.condition): c.config for c in make_grid(config).runs}
    assert found["phantom", "fast"].learning_rate == 1e-2
    assert found["phantom", "head-slow"].train == "head"
    assert [found[task, "fast"].image_size for task in ("phantom", "phantom-source")] == [32, 16]


def test_a_pre_training_of_the_study_is_an_initialisation(tmp_path):
    source = dataclasses.replace(TINY, dataset="phantom-source")
    config = phantom_study(tmp_path, inits=("phantom-source", "random"), freezes=(False, True), pretrain=(source,))
    grid = make_grid(config)
    (first,) = grid.pretrain
    assert first.folder == tmp_path / "phantom-source" / "random-nofreeze" / "fold1"
    tuned = [run for run in grid.runs if run.source]
    assert {run.config.init for run in tuned} == {str(first.folder)}
    assert {run.variant for run in tuned} == {f"phantom-source-random-{freeze}" for freeze in ("freeze", "nofreeze")}
    items = work_of(config, grid)
    assert items[0].name == str(first)
    assert all(items[0].name in item.needs for item in items if item.folder in {run.folder for run in tuned})


def test_missing_data_and_weights_are_named_once_and_left_out(tmp_path):
    train = dataclasses.replace(TINY, cache_dir=tmp_path, weights_dir=tmp_path)
    config = phantom_study(tmp_path, tasks=("phantom", "chest"), inits=("radimagenet", "random"), train=train)
    grid = make_grid(config)
    assert set(grid.left_out) == {"chest", "radimagenet"}
    assert "chest-xray-pneumonia" in grid.left_out["chest"]
    assert "tljax weights get radimagenet --from FILE" in grid.left_out["radimagenet"]
    assert {(run.config.dataset, run.label) for run in grid.runs} == {("phantom", "random")}


def test_images_with_a_split_of_their_own_are_one_fold(tmp_path):
    rng = np.random.default_rng(0)
    for part, kind in itertools.product(("train", "val", "test"), ("benign", "malignant")):
        folder = tmp_path / "own" / part / kind
        folder.mkdir(parents=True)
        Image.fromarray(rng.integers(255, size=(8, 8, 3), dtype=np.uint8)).save(folder / "a.png")
    train = dataclasses.replace(TINY, data_dir=tmp_path / "own", cache_dir=tmp_path / "cache")
    grid = make_grid(phantom_study(tmp_path, tasks=("phantom", "folder"), folds=(1, 2, 3), train=train))
    assert [run.config.fold for run in grid.runs if run.config.dataset == "folder"] == [1]
    assert [run.config.fold for run in grid.runs if run.config.dataset == "phantom"] == [1, 2, 3]
    assert list(grid.left_out) == ["folder fold 2 3"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tasks": ("brest",)}, "no data set 'brest'"),
        ({"tasks": ()}, "the grid is empty: tasks"),
        ({"inits": ("imagnet",)}, "there is no network 'imagnet'; did you mean 'imagenet'"),
        ({"inits": ("random", "random")}, "has a value twice"),
        ({"folds": (6,)}, "there is no fold 6"),
        ({"recipes": ({"leaning_rate": 1},)}, "did you mean 'learning_rate'"),
        ({"overrides": {"phantom": {"fold": 1}}}, "fold is an axis of the grid"),
        ({"recipes": ({"epochs": 1}, {"epochs": 2})}, "each recipe its own tag"),
        ({"only": "phantom,fold9"}, "the grid has no fold9"),
        ({"inits": ("random",), "freezes": (True,)}, "the grid is empty"),
        ({"measures": ("ccca",)}, "unknown measure 'ccca'; known are cca"),
        ({"overrides": {"phantom": {"epochs": "many"}}}, r"overrides\['phantom'\]: epochs is 'many'; it must be int"),
        ({"overrides": {"phantom": {"epochs": True}}}, "epochs is True; it must be int"),
        ({"recipes": ({"train": "heads"},)}, r"recipes\[0\]: train is 'heads'; it must be 'all' | 'head' | 'last10'"),
        ({"train": TrainConfig(dataset="breast")}, r"train\.dataset is set by the grid; set tasks"),
        ({"train": TrainConfig(init="imagenet")}, r"train\.init is set by the grid; set inits"),
        ({"tasks": ("folder",)}, r"the folder of the images is not stated: set --train\.data-dir"),
    ],
)
def test_each_mistake_is_one_clear_message_before_anything_is_run(settings, said, tmp_path):
    with pytest.raises(UserError, match=said):
        run_study(phantom_study(tmp_path / "study", **settings))
    assert not (tmp_path / "study").exists()


def test_only_picks_by_axis(tmp_path):
    planned = make_grid(phantom_study(tmp_path, tasks=("phantom", "phantom-source"), folds=(1, 2, 3))).runs
    picked = pick(planned, "phantom,fold1,fold3")
    assert [(run.config.dataset, run.config.fold) for run in picked] == [("phantom", 1), ("phantom", 3)]
    assert pick(planned, "") == planned


def test_only_without_a_matching_run_is_a_mistake(tmp_path, monkeypatch):
    monkeypatch.setattr("tljax.study.grid._need_weights", lambda *_: None)
    planned = make_grid(phantom_study(tmp_path, inits=("imagenet", "random"), freezes=(False, True))).runs
    with pytest.raises(UserError, match="'fold1,random,freeze' selects no run"):
        pick(planned, "fold1,random,freeze")


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("folds", "12", r"folds is '12'; it must be tuple\[int, ...\]"),
        ("tasks", "phantom", "tasks is 'phantom'"),
        ("freezes", ("no",), "freezes is"),
        ("preprocessings", ("raw",), "preprocessings is"),
        ("recipes", ("fast",), "recipes is"),
        ("train", wrong(TrainConfig(), "epochs", 1.5), r"train\.epochs is 1\.5; it must be int"),
        ("train", wrong(TrainConfig(), "image_size", True), r"train\.image_size is True; it must be int"),
        ("pretrain", (wrong(TrainConfig(), "dataset", 3),), r"pretrain\[0\]\.dataset is 3; it must be str"),
    ],
)
def test_a_value_of_another_type_is_one_clear_message(setting, value, said, tmp_path):
    with pytest.raises(UserError, match=said):
        run_study(wrong(phantom_study(tmp_path / "study"), setting, value))
    assert not (tmp_path / "study").exists()


def dry_run(tmp_path: Path, config: str) -> subprocess.CompletedProcess:
    """The config file is read in a process without the type checks of the tests."""
    path = tmp_path / "own.py"
    path.write_text(f"from tljax.core.config import StudyConfig, TrainConfig\nconfig = StudyConfig({config})\n")
    command = [sys.executable, "-m", "tljax.study", "--config", str(path), "--dry-run"]
    return subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)


def test_in_a_config_file_rows_may_be_lists_and_paths_text(tmp_path):
    settings = "inits=['random'], folds=[1], train=TrainConfig(data_dir='a'), overrides={'phantom': {'cache_dir': 'c'}}"
    done = dry_run(tmp_path, f"{settings}, workdir={str(tmp_path / 'study')!r}")
    assert done.returncode == 0, done.stderr
    assert "1 run, 0 of them finished" in done.stdout and "Warning" not in done.stderr
    refused = dry_run(tmp_path, "folds='12'")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: config file") and "own.py: folds is '12'" in refused.stderr


def test_images_of_a_folder_are_never_those_that_were_prepared_before(tmp_path, own):
    train = dataclasses.replace(TINY, cache_dir=tmp_path / "cache")
    datasets.load("folder", own, 32, cache_dir=train.cache_dir)
    grid = make_grid(phantom_study(tmp_path, tasks=("folder", "phantom"), train=train))
    assert "data-dir" in grid.left_out["folder"]
    with pytest.raises(UserError, match="--dataset folder: give its images with --data-dir"):
        load_data(dataclasses.replace(train, dataset="folder"))


def test_two_weights_of_one_name_are_refused(tmp_path):
    for name, seed in (("one", 0), ("two", 1)):
        save_network(tmp_path / name, "tiny", seed)
    inits = tuple(str(tmp_path / name) for name in ("one", "two"))
    with pytest.raises(UserError, match=r"one and .*two have the same name in their card\.json, tiny"):
        make_grid(phantom_study(tmp_path / "study", inits=inits))


def test_a_config_with_a_typo_names_its_file_and_line(tmp_path):
    path = tmp_path / "typo.py"
    path.write_text("from tljax.core.config import StudyConfig\n\nconfig = StudyConfig(task=('breast',))\n")
    with pytest.raises(UserError, match=r"typo\.py, line 3.*task"):
        load_config(path, StudyConfig)


def test_a_run_with_other_settings_is_refused(tmp_path):
    write_run(tmp_path, "phantom", "random", image_size=32, augment="none", learning_rate=1e-5, dropout=0.0)
    train = dataclasses.replace(TINY, epochs=200)
    assert make_grid(phantom_study(tmp_path, train=train)).runs[0].finished
    faster = dataclasses.replace(train, learning_rate=1e-2)
    with pytest.raises(UserError, match=r"learning rate was 1e-05, is now 0\.01"):
        make_grid(phantom_study(tmp_path, train=faster))


@pytest.mark.parametrize(
    ("setting", "recorded"), [("image_size", 16), ("batch_size", 128), ("dropout", 0.3), ("precision", "bfloat16")]
)
def test_a_setting_that_returned_to_its_default_is_refused(tmp_path, setting, recorded):
    plain = {"augment": "none", "dropout": 0.0, "image_size": datasets.card("phantom").image_size}
    defaults = dataclasses.replace(TINY, epochs=200, image_size=None)
    config = phantom_study(tmp_path, train=defaults, folds=(1,))
    write_run(tmp_path, "phantom", "random", **plain | {"batch_size": datasets.card("phantom").batch_size})
    make_grid(config)
    write_run(tmp_path / "other", "phantom", "random", **plain | {setting: recorded})
    with pytest.raises(UserError, match=f"{setting.replace('_', ' ')} was {recorded}, is now"):
        make_grid(dataclasses.replace(config, workdir=tmp_path / "other"))


def test_other_weights_of_the_same_name_are_refused(tmp_path):
    for place, seed in (("a", 0), ("b", 1)):
        save_network(tmp_path / place / "tiny", "tiny", seed)
    here, there = (str(tmp_path / place / "tiny") for place in ("a", "b"))
    folder = write_run(tmp_path, "phantom", "tiny", spec=here, image_size=32, augment="none")
    record_hash(folder, "weights", weights.read_card(Path(here)).sha256)
    config = phantom_study(tmp_path, inits=(here,), train=dataclasses.replace(TINY, epochs=200))
    assert make_grid(config).runs[0].finished
    with pytest.raises(UserError, match=r"the weights of .*/b/tiny had the hash"):
        make_grid(dataclasses.replace(config, inits=(there,)))


def test_a_run_of_other_images_is_refused(tmp_path, own):
    for label in ("cat", "dog"):
        write_images(own / label / f"{number}.png" for number in range(6, 25))
    train = dataclasses.replace(TINY, epochs=200, batch_size=16, data_dir=own, cache_dir=tmp_path / "cache")
    config = phantom_study(tmp_path, tasks=("folder",), train=train, folds=(1,))
    folder = write_run(tmp_path, "folder", "random", image_size=32, augment="none", dropout=0.0)
    record_hash(folder, "data", load_data(dataclasses.replace(train, dataset="folder")).fingerprint)
    assert make_grid(config).runs[0].finished
    record_hash(folder, "data", "f" * 16)
    with pytest.raises(UserError, match=r"the data of .* had the hash ffffffffffff"):
        make_grid(config)


def record_hash(folder: Path, what: str, value: str) -> None:
    """Sets the hash of the data or the weights in the config of a run."""
    facts = json.loads((folder / runs.CONFIG).read_text())
    facts["must_match"][what] = value
    (folder / runs.CONFIG).write_text(json.dumps(facts))


def save_network(folder: Path, name: str, seed: int) -> None:
    """Writes a weights folder of a network with random weights."""
    network = networks.resolve("random", backbone="resnet_tiny", variant="torch_v1.5", seed=seed)
    tensors = models.flatten(network.model)
    weights.save(folder, tensors, dataclasses.replace(network.card, name=name, sha256=models.digest(tensors)))


def test_a_folder_of_own_images_that_does_not_exist_is_named(tmp_path):
    train = dataclasses.replace(TINY, data_dir=tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"nowhere: there is no such file or folder; give a folder that holds one fold"):
        make_grid(StudyConfig(tasks=("folder",), inits=("random",), train=train, workdir=tmp_path))
