"""What figures are made of: names of models, rows that may not be drawn, tiles, and looks that tell apart."""

import numpy as np
import pytest
from workdirs import write_run

from tljax.core.files import write_csv
from tljax.core.paper import LAYERS
from tljax.report import representations
from tljax.report.figures import Gallery, inside, looks, performance, saliency
from tljax.report.gather import gather
from tljax.report.models import Model, read_model


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("imagenet", Model("imagenet", False)),
        ("random:1", Model("random:1", False)),
        ("imagenet-nofreeze", Model("imagenet", True)),
        ("imagenet-freeze-paper-seed2", Model("imagenet", True, True, "paper")),
        ("imagenet-nofreeze-native-seed2", Model("imagenet", True)),
        ("breast-RadImageNet-freezeTrue", Model("radimagenet", True, True)),
        ("breast/random-nofreeze/fold3", Model("random", True)),
        ("breast-source-random-nofreeze", Model("breast-source-random", True)),
        ("My-Net", Model("My-Net", False)),
    ],
)
def test_names_of_models(name, model):
    assert read_model(name, "breast") == model


def test_published_names():
    assert read_model("imagenet-nofreeze", "breast").published_name == "ImageNet-freezeFalse"
    assert read_model("random:1", "breast").published_name == "random"


def test_every_name_has_a_look_of_its_own():
    names = ["imagenet", "mine", "random", "other", "radimagenet", "third"]
    chosen = looks(names)
    assert len({look.colour for look in chosen.values()}) == len(names)
    assert len({look.marker for look in chosen.values()}) == len(names)
    assert len({str(look.dash) for look in chosen.values()}) == len(names)  # tells apart in grey
    assert looks(["random"])["random"] == chosen["random"]


def test_many_names_have_looks_that_colour_and_grey_tell_apart():
    tasks = [f"task{number}" for number in range(12)]
    chosen = looks(tasks)
    assert len({look.colour for look in list(chosen.values())[:7]}) == 7  # the paper's seven tasks
    assert len({(look.colour, look.marker) for look in chosen.values()}) == len(tasks)
    assert len({(look.marker, look.filled) for look in chosen.values()}) == len(tasks)  # in grey
    assert len({(look.colour, str(look.dash)) for look in chosen.values()}) == len(tasks)  # a line without markers
    many = looks([f"name{number}" for number in range(63)]).values()
    assert len({(look.colour, look.marker) for look in many}) == 63


def test_curves_leave_out_what_is_flagged_and_what_belongs_elsewhere(tmp_path):
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
    study = gather(tmp_path)
    gallery = Gallery(tmp_path / "figures")
    with gallery.style():
        drawn = inside.layer_curves(gallery, study, study.tasks[0])
    assert [figure.title.partition(":")[0] for figure in drawn] == ["Before and after tuning", "Between networks"] * 2
    paper, _, full, _ = drawn
    assert "paper protocol" in paper.title and "Left out" not in paper.caption
    assert "Left out: block4 (too few samples)." in full.caption and "block4" not in full.markup.partition("<g")[2]
    assert "ImageNet tuned – ImageNet" in paper.markup and "frozen first" not in paper.markup
    assert "standard deviation over folds" in paper.caption


def test_titles_name_their_task(tmp_path):
    columns = ("task", "model1", "model2", "fold", "protocol", "measure", "layer1", "layer2", "value")
    rows = []
    for task in ("breast", "chest"):
        write_run(tmp_path, task)
        rows += [
            (task, "imagenet-nofreeze", "imagenet", 1, "paper", "cca", one, other, 0.5)
            for one in LAYERS
            for other in LAYERS
        ]
    write_csv(tmp_path / "results" / "representations.csv", columns, rows)
    study = gather(tmp_path)
    gallery = Gallery(tmp_path / "figures")
    kernels = np.zeros((7, 7, 3, 8))
    maps = {
        "images": np.zeros((1, 8, 8, 3), np.uint8), "maps": np.zeros((1, 2, 2)), "labels": np.array([0]),
        "predicted": np.array([1]), "probability": np.array([0.9]), "classes": np.array(["benign", "malignant"]),
    }  # fmt: skip
    drawn = []
    with gallery.style():
        for task in study.tasks:
            drawn += [performance.forest(gallery, task), *performance.learning_curves(gallery, task, task.condition)]
            drawn += [*inside.layer_curves(gallery, study, task), *inside.heat_maps(gallery, study, task)]
            drawn.append(inside.filters(gallery, task.name, "imagenet-nofreeze", kernels + 1e-3, kernels))
            drawn.append(saliency.grad_cam(gallery, task.name, "imagenet-nofreeze", maps))
    assert len({figure.title for figure in drawn}) == len(drawn) == 14


COLUMNS = ("task", "condition", "model1", "model2", "fold", "protocol", "measure", "layer1", "layer2", "value")


def rows_of(condition, model1, model2, value, fold):
    return [("breast", condition, model1, model2, fold, "paper", "cca", layer, layer, value) for layer in LAYERS]


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
    return gather(folder)


def test_each_condition_is_drawn_and_the_published_means_stand_with_the_papers(two_preprocessings, tmp_path):
    gallery = Gallery(tmp_path)
    with gallery.style():
        drawn = inside.layer_curves(gallery, two_preprocessings, two_preprocessings.tasks[0])
    told = [(figure.title.partition(":")[0], "paper preprocessing" in figure.title) for figure in drawn]
    assert told == [
        ("Before and after tuning", False), ("Between networks", False),
        ("Before and after tuning", True), ("Between networks", True),
    ]  # fmt: skip
    assert all("native preprocessing" in figure.title for figure in drawn[:2])
    assert [("Hollow diamonds" in figure.caption) for figure in drawn] == [False, False, True, True]


def test_seeds_are_pooled_within_a_fold_and_conditions_are_not(two_preprocessings):
    native, paper = representations.comparisons(two_preprocessings, "breast")
    for found, value in ((native, 0.25), (paper, 0.65)):
        for rows in found.pairs(diagonal=True).values():
            of_layer = [row for row in rows if row["layer1"] == "conv1"]
            assert representations.by_fold(of_layer) == pytest.approx({"1": value, "2": value})
    (task,) = two_preprocessings.tasks
    assert representations.main(two_preprocessings, task) == native


class Watched(Gallery):
    """Keeps the matplotlib figures too."""

    def keep(self, figure, *about):
        self.figure = figure
        return super().keep(figure, *about)


def test_similarity_and_gain_has_points_and_no_line(two_preprocessings, tmp_path):
    gallery = Watched(tmp_path)
    with gallery.style():
        (figure,) = inside.similarity_and_gain(gallery, two_preprocessings)
    assert figure.title == "Similarity and gain: ImageNet"
    for panel in gallery.figure.axes:
        points, zero = panel.lines
        assert (points.get_linestyle(), len(points.get_xdata()), len(zero.get_xdata())) == ("None", 2, 2)


def test_boxes_of_other_preprocessings_are_hatched(two_preprocessings, tmp_path):
    gallery = Watched(tmp_path)
    with gallery.style():
        figure = performance.auc_boxes(gallery, two_preprocessings)
    assert "Hatched boxes" in figure.caption
    boxes = gallery.figure.axes[0].patches
    assert [bool(box.get_hatch()) for box in boxes] == [False, False, True, True]


def test_whiskers_reach_the_extremes(tmp_path):
    for fold in range(1, 6):
        write_run(tmp_path, fold=fold, signal=0.0 if fold == 5 else 3.0)
    study = gather(tmp_path)
    gallery = Watched(tmp_path / "figures")
    with gallery.style():
        performance.auc_boxes(gallery, study)
    whiskers = [line.get_ydata() for line in gallery.figure.axes[0].lines if line.get_color() == "#0072B2"]
    aucs = study.tasks[0].aucs(study.tasks[0].arms[0]).values()
    lowest = [min(y) for y in whiskers if len(y) == 2]
    assert min(lowest) == pytest.approx(min(aucs))


def test_a_table_without_conditions_tells_them_by_the_tags_of_tuned_networks(tmp_path):
    write_run(tmp_path)
    rows = rows_of("", "imagenet-nofreeze", "imagenet", 0.5, 1) + rows_of(
        "", "imagenet-nofreeze-paper", "random", 0.6, 1
    )
    columns = [name for name in COLUMNS if name != "condition"]
    write_csv(tmp_path / "results" / "representations.csv", columns, [(row[0], *row[2:]) for row in rows])
    assert [found.condition for found in representations.comparisons(gather(tmp_path), "breast")] == ["", "paper"]


def test_filters_are_scaled_each_to_its_own_range():
    kernels = np.random.default_rng(0).normal(size=(7, 7, 3, 10))
    tiles = inside._tiles(kernels, across=8, zoom=1)
    assert tiles.shape == (15, 63, 3)
    first = tiles[:7, :7]
    low, high = kernels[..., 0].min(), kernels[..., 0].max()
    assert np.allclose(first, (kernels[..., 0] - low) / (high - low))
    assert (tiles[8:, 16:] == 1).all()  # blank where there is no filter
    assert np.isfinite(inside._tiles(np.zeros((7, 7, 3, 2)))).all()
