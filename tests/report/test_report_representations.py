"""Figures of compared representations: names of networks, conditions, layers of any name, and what is left out."""

import json

import pytest
from galleries import Watched
from workdirs import write_run

from tljax.core import runs
from tljax.core.files import write_csv
from tljax.core.paper import LAYERS
from tljax.report.analysis.networks import ComparedNetwork, preprocessing_and_recipe, read_name
from tljax.report.analysis.study import analyse
from tljax.report.drawing.gallery import Gallery
from tljax.report.figures import layer_curves, layer_maps, similarity_gain
from tljax.report.published import results as published


@pytest.mark.parametrize(
    ("name", "network", "condition"),
    [
        ("imagenet", ComparedNetwork("imagenet", False), ("native", "")),
        ("random:1", ComparedNetwork("random:1", False), ("native", "")),
        ("imagenet-nofreeze", ComparedNetwork("imagenet", True), ("native", "")),
        ("imagenet-freeze-paper-seed2", ComparedNetwork("imagenet", True, True), ("paper", "")),
        ("imagenet-nofreeze-native-seed2", ComparedNetwork("imagenet", True), ("native", "")),
        ("imagenet-nofreeze-mine-paper", ComparedNetwork("imagenet", True), ("paper", "mine")),
        ("breast-RadImageNet-freezeTrue", ComparedNetwork("radimagenet", True, True), ("native", "")),
        ("breast/random-nofreeze/fold3", ComparedNetwork("random", True), ("native", "")),
        ("breast-source-random-nofreeze", ComparedNetwork("breast-source-random", True), ("native", "")),
        ("My-Net", ComparedNetwork("My-Net", False), ("native", "")),
    ],
)
def test_names_of_networks(name, network, condition):
    found, tag = read_name(name, "breast")
    assert (found, preprocessing_and_recipe(tag)) == (network, condition)


def test_published_names():
    named = [
        published.published_name(ComparedNetwork(*of), "breast") for of in (("imagenet", True), ("random:1", False))
    ]
    assert named == ["breast-ImageNet-freezeFalse", "random"]


COLUMNS = ("task", "condition", "model1", "model2", "fold", "protocol", "measure", "layer1", "layer2", "value")


def rows_of(condition, model1, model2, value, fold):
    return [("breast", condition, model1, model2, fold, "paper", "cca", layer, layer, value) for layer in LAYERS]


def test_curves_leave_out_flagged_values_and_networks_trained_head_first(tmp_path):
    for fold in (1, 2):
        write_run(tmp_path, fold=fold)
    columns = ("task", "model1", "model2", "fold", "protocol", "measure", "layer1", "layer2", "value", "flag")
    rows = [
        ("breast", model1, model2, fold, protocol, "cca", layer, layer, 0.5, flag)
        for fold in (1, 2)
        for protocol in ("full", "paper")
        for model1, model2 in (
            ("imagenet-nofreeze", "imagenet"), ("imagenet", "random"), ("imagenet-freeze", "imagenet"),
            ("imagenet-nofreeze", "random"),
        )
        for layer, flag in (("conv1", ""), ("block4", "too few samples" if protocol == "full" else ""))
    ]  # fmt: skip
    write_csv(tmp_path / "results" / "representations.csv", columns, rows)
    study = analyse(tmp_path)
    gallery = Gallery(tmp_path / "figures")
    with gallery.style():
        drawn = layer_curves.draw(gallery, study.tasks[0])
    assert [figure.title.partition(":")[0] for figure in drawn] == [
        "Before and after fine-tuning",
        "Between networks",
    ] * 2
    paper, _, full, _ = drawn
    assert "paper protocol" in paper.title and "Left out" not in paper.caption
    assert "Left out: block4 (too few samples)." in full.caption and "block4" not in full.markup.partition("<g")[2]
    assert "ImageNet (fine-tuned) – ImageNet" in paper.markup and "head first" not in paper.markup
    assert "standard deviation over folds" in paper.caption


@pytest.fixture(scope="module")
def two_preprocessings(tmp_path_factory):
    """Native and paper runs of two seeds; the values of a condition are the same in every fold."""
    folder = tmp_path_factory.mktemp("two")
    rows = []
    for fold in (1, 2):
        for kind, value in (("native", 0.2), ("paper", 0.6)):
            for seed in (0, 1):
                tag = f"{kind}-seed{seed}"
                for init in ("imagenet", "random"):
                    write_run(folder, init=init, fold=fold, tag=tag, seed=seed, preprocessing=kind)
                rows += rows_of(tag, "imagenet", "random", value + 0.1 * seed, fold)
                rows += rows_of(tag, f"imagenet-nofreeze-{tag}", "imagenet", value + 0.1 * seed, fold)
    write_csv(folder / "results" / "representations.csv", COLUMNS, rows)
    return analyse(folder)


def test_each_condition_is_drawn_and_published_means_only_with_paper_preprocessing(two_preprocessings, tmp_path):
    gallery = Gallery(tmp_path)
    with gallery.style():
        drawn = layer_curves.draw(gallery, two_preprocessings.tasks[0])
    told = [(figure.title.partition(":")[0], "paper preprocessing" in figure.title) for figure in drawn]
    assert told == [
        ("Before and after fine-tuning", False), ("Between networks", False),
        ("Before and after fine-tuning", True), ("Between networks", True),
    ]  # fmt: skip
    assert all("native preprocessing" in figure.title for figure in drawn[:2])
    assert [("Hollow diamonds" in figure.caption) for figure in drawn] == [False, False, True, True]


def test_seeds_are_pooled_within_a_fold_and_conditions_are_not(two_preprocessings):
    (task,) = two_preprocessings.tasks
    native, paper = task.representations
    for found, value in ((native, 0.25), (paper, 0.65)):
        for pair in found.values:
            assert found.matched(pair)[0].by_fold == pytest.approx({"1": value, "2": value})
    assert task.main_representations is native


def test_the_only_preprocessing_of_a_study_is_read_from_its_runs(tmp_path):
    """The tag of a run folder names the preprocessing only if a study has both."""
    rows = []
    for fold in (1, 2):
        for tag, value in (("fast", 0.2), ("slow", 0.6)):
            for init in ("imagenet", "random"):
                write_run(tmp_path, init=init, fold=fold, tag=tag, preprocessing="paper")
            rows += rows_of(tag, f"imagenet-nofreeze-{tag}", "imagenet", value, fold)
    write_csv(tmp_path / "results" / "representations.csv", COLUMNS, rows)
    (task,) = (study := analyse(tmp_path)).tasks
    assert [(found.preprocessing, found.recipe) for found in task.representations] == [
        ("paper", "fast"), ("paper", "slow"),
    ]  # fmt: skip
    assert (task.condition.tag, task.main_representations) == ("fast", task.representations[0])
    with (gallery := Gallery(tmp_path / "figures")).style():
        assert similarity_gain.draw(gallery, study)


def test_similarity_and_gain_draws_points_without_a_fitted_line(two_preprocessings, tmp_path):
    gallery = Watched(tmp_path)
    with gallery.style():
        (figure,) = similarity_gain.draw(gallery, two_preprocessings)
    assert figure.title == "Similarity and gain: ImageNet"
    for panel in gallery.figure.axes:
        points, zero = panel.lines
        assert (points.get_linestyle(), len(points.get_xdata()), len(zero.get_xdata())) == ("None", 2, 2)


def test_a_table_without_conditions_takes_them_from_the_tags_of_fine_tuned_networks(tmp_path):
    write_run(tmp_path)
    rows = rows_of("", "imagenet-nofreeze", "imagenet", 0.5, 1) + rows_of(
        "", "imagenet-nofreeze-paper", "random", 0.6, 1
    )
    columns = [name for name in COLUMNS if name != "condition"]
    write_csv(tmp_path / "results" / "representations.csv", columns, [(row[0], *row[2:]) for row in rows])
    (task,) = analyse(tmp_path).tasks
    assert [found.preprocessing for found in task.representations] == ["native", "paper"]


def encoder_rows(layers, model1, model2, value=0.5, matrix=False):
    cells = [(one, other) for one in layers for other in layers if matrix or one == other]
    return [("breast", "", model1, model2, 1, "full", "cca", *both, value) for both in cells]


def test_layers_of_any_name_are_drawn_in_the_order_of_the_network(tmp_path):
    """The order is that of the network, not of the alphabet; the names need not be conv1 to block4."""
    write_run(tmp_path)
    layers = ["patches", "encoder2", "encoder10", "attention"]
    rows = encoder_rows(layers, "imagenet-nofreeze", "imagenet", matrix=True) + encoder_rows(layers, "imagenet", "mine")
    write_csv(tmp_path / "results" / "representations.csv", COLUMNS, rows)
    study = analyse(tmp_path)
    (task,) = study.tasks
    (found,) = task.representations
    assert [layer.name for layer in found.matched(next(iter(found.values)))] == layers
    gallery = Watched(tmp_path / "figures")
    with gallery.style():
        tuning, between = layer_curves.draw(gallery, task)
        ticks = [label.get_text() for label in gallery.figure.axes[0].get_xticklabels()]
        (layer_map,) = layer_maps.draw(gallery, task)
        similarity_gain.draw(gallery, study)
    assert ticks == layers and all(layer in layer_map.markup for layer in layers)
    assert "encoder10" in tuning.markup and "relative depth" not in between.caption


def test_the_recorded_order_of_layers_is_used(tmp_path):
    folder = write_run(tmp_path)
    config = json.loads((folder / runs.CONFIG).read_text())
    (folder / runs.CONFIG).write_text(json.dumps(config | {"layers": ["a", "b", "c"]}))
    write_csv(
        tmp_path / "results" / "representations.csv", COLUMNS, encoder_rows("cab", "imagenet-nofreeze", "imagenet")
    )
    (found,) = analyse(tmp_path).tasks[0].representations
    assert [layer.name for layer in found.matched(next(iter(found.values)))] == ["a", "b", "c"]


def test_networks_of_two_families_are_placed_by_relative_depth(tmp_path):
    write_run(tmp_path)
    resnet, encoder = ("conv1", "block1", "block2", "block3", "block4"), ("encoder00", "encoder06", "encoder11")
    rows = [
        ("breast", "", "imagenet", "mine", 1, "full", "cca", one, other, 0.1 * i + 0.3 * j)
        for i, one in enumerate(resnet)
        for j, other in enumerate(encoder)
    ]
    rows += encoder_rows(resnet, "imagenet", "random")
    pools = ["gap" if row[3] == "mine" else "none" for row in rows]
    rows = [(*row, pool) for row, pool in zip(rows, pools, strict=True)]
    write_csv(tmp_path / "results" / "representations.csv", (*COLUMNS, "pool"), rows)
    (task,) = analyse(tmp_path).tasks
    (found,) = task.representations
    mixed = next(pair for pair in found.values if pair.second.init == "mine")
    matched = found.matched(mixed)
    assert [layer.depth for layer in matched] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [layer.values[0].layers[1] for layer in matched] == [
        "encoder00", "encoder00", "encoder06", "encoder06", "encoder11"
    ]  # fmt: skip
    with (gallery := Watched(tmp_path / "figures")).style():
        (figure,) = layer_curves.draw(gallery, task)
    assert "the layer at the nearest relative depth" in figure.caption
    assert "Averaged over the positions of an image: ImageNet – mine." in figure.caption
    assert gallery.figure.axes[0].get_xlabel().startswith("relative depth")
