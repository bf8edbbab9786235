"""A finished study: its tables, including those for the authors' scripts, and no remaining work."""

import dataclasses
import os
import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from studies import TINY, phantom_study, rows_of, tables_of, work_of
from workdirs import write_run

from tljax.core import runs
from tljax.core.files import write_csv
from tljax.core.paper import LAYERS
from tljax.study.grid import make_grid
from tljax.study.planned import comparable
from tljax.study.stages import compare


@pytest.fixture
def finished(tmp_path):
    """A finished study of two initialisations and two folds, with and without freeze, and with made-up comparisons."""
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
    for planned in comparable(found.runs):
        rows = [
            (
                "phantom",
                one.name,
                other.name,
                planned[0].config.fold,
                "test",
                "paper",
                "cca",
                layer,
                layer,
                0.1 * number,
                "",
            )
            for one, other in compare.pairs(compare.states(planned))
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
        write_csv(compare.table_path(planned[0]), columns, rows)
    return found


def test_the_compared_pairs_are_the_published_ones(grid):
    names = {(one.name, other.name) for one, other in compare.pairs(compare.states(grid.runs[:3]))}
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
    results = tables_of(finished, grid)
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
    ours = rows_of(tables_of(finished, grid) / name)
    wanted = [
        tuple(row[column] for column in columns)
        for row in rows_of(shared / "reference" / "published" / "results" / theirs)
        if row.get("target", row.get("stimuli")) == "breast" and row["fold"] in ("fold1", "fold2")
        if row.get("source") != "RadImageNet" and row.get("freeze") in {own.get("freeze") for own in ours}
    ]
    assert [tuple(row[column] for column in columns) for row in ours] == wanted


def test_all_folds_of_two_networks_are_adjacent(finished, grid):
    rows = rows_of(tables_of(finished, grid) / "CCA_phantom.csv")
    pairs = [(row["model1"], row["model2"]) for row in rows]
    assert [row["fold"] for row in rows] == ["fold1", "fold2"] * len(set(pairs))
    assert pairs[::2] == pairs[1::2]


def test_a_flagged_value_is_only_in_the_tidy_table(finished, grid):
    path = compare.table_path(grid.runs[0])
    path.write_text(path.read_text().replace("block4,block4,0.4,", "block4,block4,0.4,too few samples"))
    results = tables_of(finished, grid)
    assert any(row["flag"] and row["value"] == "0.4" for row in rows_of(results / "representations.csv"))
    assert {row["block4"] for row in rows_of(results / "CCA_phantom.csv") if row["fold"] == "fold1"} == {""}
    assert "block4" not in {row["layer"] for row in rows_of(results / "gain.csv") if row["fold"] == "1"}


def test_the_tables_hold_the_values_of_the_runs(finished, grid):
    results = tables_of(finished, grid)
    aucs = {(r["source"], r["freeze"], r["fold"]): float(r["AUC"]) for r in rows_of(results / "AUC.csv")}
    held_out = {(r["source"], r["freeze"], r["fold"]): float(r["AUC"]) for r in rows_of(results / "AUC_held_out.csv")}
    assert len(aucs) == len(held_out) == 6
    for run in grid.runs:
        source = {"imagenet": "ImageNet"}.get(run.label, run.label)
        auc = runs.read_run(run.folder).result["test"]["auc"]
        key = source, f"freeze{run.config.freeze}", f"fold{run.config.fold}"
        assert aucs[key] == auc
        predicted = rows_of(run.folder / runs.PREDICTIONS)  # of validation and test images
        labels = [row["label"] == "malignant" for row in predicted]
        assert held_out[key] == pytest.approx(roc_auc_score(labels, [float(row["malignant"]) for row in predicted]))

    one, other = (runs.read_run(run.folder).predictions.of_split("test") for run in (grid.runs[0], grid.runs[2]))
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


def test_comparisons_of_a_retrained_run_are_dropped(grid):
    planned = comparable(grid.runs)[0]
    known = len(compare.read(planned))
    assert not compare.missing(planned, ("paper",), ("cca",))
    later = time.time() + 10
    result = planned[1].folder / runs.RESULT
    os.utime(result, (later, later))
    (wanted,) = compare.missing(planned, ("paper",), ("cca",)).values()
    assert all(planned[1].variant in {state.name for state in pair} for pair in wanted)
    assert len(compare.read(planned)) == known - len(LAYERS) * len(wanted)


def test_a_finished_study_has_no_work_left(finished, grid):
    config = dataclasses.replace(finished, protocols=("paper",), measures=("cca",))
    todo = work_of(config, grid)
    assert {item.name.split()[0] for item in todo} == {"explain"}


def test_weights_are_removed_only_after_all_work_that_needs_them(finished, grid):
    config = dataclasses.replace(finished, keep="none")
    (grid.runs[0].folder / runs.CHECKPOINT).mkdir()
    items = work_of(config, grid)
    (last,) = [item for item in items if item.name.startswith("remove")]
    earlier = {item.name for item in items if "fold 1" in item.name} - {last.name}
    assert last.needs == earlier
    last.work()
    assert not (grid.runs[0].folder / runs.CHECKPOINT).exists()
