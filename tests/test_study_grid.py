"""The grid of a study: its axes, what depends on what, what is left out, and every mistake in it."""

import dataclasses
import itertools

import numpy as np
import pytest
from PIL import Image
from studies import TINY, phantom_study
from workdirs import write_run

from tljax import study
from tljax.config import StudyConfig, load_config
from tljax.errors import UserError
from tljax.study.grid import make_grid, pick


def test_the_grid_is_the_product_of_its_axes_fold_by_fold(tmp_path):
    config = phantom_study(
        tmp_path, tasks=("phantom", "phantom-source"), seeds=(0, 7), preprocessings=("native", "paper")
    )
    cells = make_grid(config).cells
    assert len(cells) == 2 * 2 * 2 * 2
    assert [cell.config.fold for cell in cells[:8]] == [1] * 4 + [2] * 4
    assert cells[0].folder == tmp_path / "phantom" / "random-nofreeze-native-seed0" / "fold1"
    assert {cell.config.seed for cell in cells} == {0, 7}


def test_a_random_backbone_is_never_frozen(tmp_path):
    cells = make_grid(phantom_study(tmp_path, freezes=(False, True))).cells
    assert not any(cell.config.freeze for cell in cells)


def test_recipes_and_overrides_reach_the_runs_they_are_meant_for(tmp_path):
    recipes = ({"learning_rate": 1e-2, "tag": "fast"}, {"learning_rate": 1e-4, "tag": "slow", "train": "head"})
    overrides = {"phantom-source": {"image_size": 16}}
    config = phantom_study(tmp_path, tasks=("phantom", "phantom-source"), recipes=recipes, overrides=overrides)
    found = {(c.config.dataset, c.condition): c.config for c in make_grid(config).cells}
    assert found["phantom", "fast"].learning_rate == 1e-2
    assert found["phantom", "head-slow"].train == "head"
    assert [found[task, "fast"].image_size for task in ("phantom", "phantom-source")] == [32, 16]


def test_a_pre_training_of_the_study_is_an_initialisation(tmp_path):
    source = dataclasses.replace(TINY, dataset="phantom-source")
    config = phantom_study(tmp_path, inits=("phantom-source", "random"), freezes=(False, True), pretrain=(source,))
    grid = make_grid(config)
    (first,) = grid.pretrain
    assert first.folder == tmp_path / "phantom-source" / "random-nofreeze" / "fold1"
    tuned = [cell for cell in grid.cells if cell.source]
    assert {cell.config.init for cell in tuned} == {str(first.folder)}
    assert {cell.variant for cell in tuned} == {f"phantom-source-random-{freeze}" for freeze in ("freeze", "nofreeze")}
    units = study.make_units(config, grid, grid.cells)
    assert units[0].name == str(first)
    assert all(units[0].name in unit.needs for unit in units if unit.folder in {cell.folder for cell in tuned})


def test_what_is_absent_is_named_once_and_left_out(tmp_path):
    train = dataclasses.replace(TINY, cache_dir=tmp_path, weights_dir=tmp_path)
    config = phantom_study(tmp_path, tasks=("phantom", "chest"), inits=("radimagenet", "random"), train=train)
    grid = make_grid(config)
    assert set(grid.left_out) == {"chest", "radimagenet"}
    assert "chest-xray-pneumonia" in grid.left_out["chest"]
    assert "convert_weights.py" in grid.left_out["radimagenet"]
    assert {(cell.config.dataset, cell.label) for cell in grid.cells} == {("phantom", "random")}


def test_images_with_a_split_of_their_own_are_one_fold(tmp_path):
    rng = np.random.default_rng(0)
    for part, kind in itertools.product(("train", "val", "test"), ("benign", "malignant")):
        folder = tmp_path / "own" / part / kind
        folder.mkdir(parents=True)
        Image.fromarray(rng.integers(255, size=(8, 8, 3), dtype=np.uint8)).save(folder / "a.png")
    train = dataclasses.replace(TINY, data_dir=tmp_path / "own", cache_dir=tmp_path / "cache")
    grid = make_grid(phantom_study(tmp_path, tasks=("phantom", "folder"), folds=(1, 2, 3), train=train))
    assert [cell.config.fold for cell in grid.cells if cell.config.dataset == "folder"] == [1]
    assert [cell.config.fold for cell in grid.cells if cell.config.dataset == "phantom"] == [1, 2, 3]
    assert list(grid.left_out) == ["folder fold 2 3"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tasks": ("brest",)}, "no data set 'brest'"),
        ({"tasks": ()}, "the grid is empty: tasks"),
        ({"inits": ("imagnet",)}, "unknown initialisation or network 'imagnet'"),
        ({"inits": ("random", "random")}, "names something twice"),
        ({"folds": (6,)}, "there is no fold 6"),
        ({"recipes": ({"leaning_rate": 1},)}, "did you mean 'learning_rate'"),
        ({"overrides": {"phantom": {"fold": 1}}}, "fold is an axis of the grid"),
        ({"recipes": ({"epochs": 1}, {"epochs": 2})}, "a tag of its own"),
        ({"only": "phantom,fold9"}, "nothing in the grid is called fold9"),
        ({"inits": ("random",), "freezes": (True,)}, "the grid is empty"),
    ],
)
def test_each_mistake_is_one_clear_message_before_anything_is_run(settings, said, tmp_path):
    with pytest.raises(UserError, match=said):
        study.study(phantom_study(tmp_path / "study", **settings))
    assert not (tmp_path / "study").exists()


def test_only_picks_by_axis(tmp_path):
    cells = make_grid(phantom_study(tmp_path, tasks=("phantom", "phantom-source"), folds=(1, 2, 3))).cells
    picked = list(pick(cells, "phantom,fold1,fold3"))
    assert [(cell.config.dataset, cell.config.fold) for cell in picked] == [("phantom", 1), ("phantom", 3)]
    assert list(pick(cells, "")) == list(cells)


def test_a_config_with_a_typo_names_its_file_and_line(tmp_path):
    path = tmp_path / "typo.py"
    path.write_text("from tljax.config import StudyConfig\n\nconfig = StudyConfig(task=('breast',))\n")
    with pytest.raises(UserError, match=r"typo\.py, line 3.*task"):
        load_config(path, StudyConfig)


def test_a_run_of_other_settings_is_not_taken_for_one_of_the_grid(tmp_path):
    write_run(tmp_path, "phantom", "random", image_size=32, augment="none", learning_rate=1e-5)
    train = dataclasses.replace(TINY, epochs=200)
    assert make_grid(phantom_study(tmp_path, train=train)).cells[0].finished
    faster = dataclasses.replace(train, learning_rate=1e-2)
    with pytest.raises(UserError, match=r"learning rate was 1e-05, is now 0\.01"):
        make_grid(phantom_study(tmp_path, train=faster))
