"""Figures: styles, titles, boxes and filters."""

import numpy as np
import pytest
from galleries import Watched
from workdirs import write_run

from tljax.core.files import write_csv
from tljax.core.paper import LAYERS
from tljax.report.analysis.study import analyse
from tljax.report.drawing.gallery import Gallery
from tljax.report.drawing.style import styles_of
from tljax.report.figures import auc_boxes, auc_intervals, filters, grad_cam, layer_curves, layer_maps, learning_curves


def test_every_name_has_its_own_style():
    names = ["imagenet", "mine", "random", "other", "radimagenet", "third"]
    chosen = styles_of(names)
    assert len({look.colour for look in chosen.values()}) == len(names)
    assert len({look.marker for look in chosen.values()}) == len(names)
    assert len({str(look.dash) for look in chosen.values()}) == len(names)  # differs in grey
    assert styles_of(["random"])["random"] == chosen["random"]


def test_many_names_have_styles_that_differ_in_colour_and_in_grey():
    tasks = [f"task{number}" for number in range(12)]
    chosen = styles_of(tasks)
    assert len({look.colour for look in list(chosen.values())[:7]}) == 7  # the paper's seven tasks
    assert len({(look.colour, look.marker) for look in chosen.values()}) == len(tasks)
    assert len({(look.marker, look.filled) for look in chosen.values()}) == len(tasks)  # in grey
    assert len({(look.colour, str(look.dash)) for look in chosen.values()}) == len(tasks)  # a line without markers
    many = styles_of([f"name{number}" for number in range(63)]).values()
    assert len({(look.colour, look.marker) for look in many}) == 63


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
    kernels = np.zeros((7, 7, 3, 8))
    maps = {
        "images": np.zeros((1, 8, 8, 3), np.uint8), "maps": np.zeros((1, 2, 2)), "labels": np.array([0]),
        "predicted": np.array([1]), "probability": np.array([0.9]), "classes": np.array(["benign", "malignant"]),
        "files": np.array(["a"]),
    }  # fmt: skip
    for task in ("breast", "chest"):
        (tmp_path / "explain" / task).mkdir(parents=True)
        np.savez(tmp_path / "explain" / task / "filters-imagenet-nofreeze.npz", before=kernels + 1e-3, after=kernels)
        np.savez(tmp_path / "explain" / task / "gradcam-imagenet-nofreeze.npz", **maps)
    study = analyse(tmp_path)
    gallery = Gallery(tmp_path / "figures")
    drawn = []
    with gallery.style():
        for task in study.tasks:
            drawn += [auc_intervals.draw(gallery, task), *learning_curves.draw(gallery, task, task.condition)]
            drawn += [*layer_curves.draw(gallery, task), *layer_maps.draw(gallery, task)]
        for found in study.explanations:
            drawn.append((filters if found.kind == "filters" else grad_cam).draw(gallery, found))
    assert len({figure.title for figure in drawn}) == len(drawn) == 14


def test_boxes_of_other_preprocessings_are_hatched(tmp_path):
    for fold in (1, 2):
        for kind in ("native", "paper"):
            for init in ("imagenet", "random"):
                write_run(tmp_path, init=init, fold=fold, tag=kind, preprocessing=kind)
    gallery = Watched(tmp_path / "figures")
    with gallery.style():
        figure = auc_boxes.draw(gallery, analyse(tmp_path))
    assert "Hatched boxes" in figure.caption
    boxes = gallery.figure.axes[0].patches
    assert [bool(box.get_hatch()) for box in boxes] == [False, False, True, True]


def test_whiskers_reach_the_lowest_fold(tmp_path):
    for fold in range(1, 6):
        write_run(tmp_path, fold=fold, signal=0.0 if fold == 5 else 3.0)
    study = analyse(tmp_path)
    gallery = Watched(tmp_path / "figures")
    with gallery.style():
        auc_boxes.draw(gallery, study)
    whiskers = [line.get_ydata() for line in gallery.figure.axes[0].lines if line.get_color() == "#0072B2"]
    aucs = study.tasks[0].arms[0].aucs.values()
    lowest = [min(y) for y in whiskers if len(y) == 2]
    assert min(lowest) == pytest.approx(min(aucs))


def test_a_training_of_one_epoch_is_a_point(tmp_path):
    write_run(tmp_path, epochs=1)
    (task,) = analyse(tmp_path).tasks
    with (gallery := Watched(tmp_path / "figures")).style():
        learning_curves.draw(gallery, task, task.condition)
    axes = gallery.figure.axes[0]
    fold, mean = axes.lines[:2]
    assert fold.get_marker() == mean.get_marker() == "o"
    assert all(tick == int(tick) for tick in axes.get_xticks())


def test_each_filter_is_scaled_to_its_own_range():
    kernels = np.random.default_rng(0).normal(size=(7, 7, 3, 10))
    tiles = filters.tiles(kernels, across=8, zoom=1)
    assert tiles.shape == (15, 63, 3)
    first = tiles[:7, :7]
    low, high = kernels[..., 0].min(), kernels[..., 0].max()
    assert np.allclose(first, (kernels[..., 0] - low) / (high - low))
    assert (tiles[8:, 16:] == 1).all()  # blank where there is no filter
    assert np.isfinite(filters.tiles(np.zeros((7, 7, 3, 2)))).all()
    assert filters.tiles(np.zeros((16, 16, 1, 64))).shape[2] == 3  # of other channels: grey
