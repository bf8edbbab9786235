"""Reading run folders: complete, unfinished, corrupt, and with unexpected names."""

import json
from pathlib import Path

import numpy as np
import pytest
from workdirs import write_run

from tljax.core import runs
from tljax.core.errors import UserError
from tljax.core.predictions import PREDICTION_COLUMNS, class_columns, classes_of_columns


def find_runs(workdir: Path) -> list[runs.Run]:
    """Returns the runs of a workdir by task, variant and fold."""
    return sorted(runs.iterate_runs(workdir), key=lambda run: (run.task, run.path.parent.name, run.fold))


def test_a_finished_run_reads_back(tmp_path):
    folder = write_run(tmp_path, "breast", "radimagenet", freeze=True, fold=2, tag="seed1", epochs=3)
    (run,) = find_runs(tmp_path)
    assert (run.path, run.task, run.init, run.freeze, run.tag, run.fold, run.status) == (
        folder, "breast", "radimagenet", True, "seed1", 2, "finished"
    )  # fmt: skip
    assert run.settings["image_size"] == 224
    assert [row["epoch"] for row in run.metrics] == [1, 2, 3]
    assert {row.split for row in run.split} == {"train", "val", "test"}
    test = run.predictions.of_split("test")
    assert test.probabilities.shape == (60, 2) and test.classes == ("benign", "malignant")
    truth = {row.file: row.label for row in run.split}
    assert [test.classes[label] for label in test.labels] == [truth[file] for file in test.files]
    assert np.allclose(test.probabilities.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("init", "freeze", "tag"),
    [("imagenet", False, ""), ("random:7", False, "x"), ("my-own-net", True, "paper-seed2")],
)
def test_folder_names_are_parsed_as_they_were_built(tmp_path, init, freeze, tag):
    run = runs.read_run(runs.run_folder(tmp_path, "knee", init, freeze, 4, tag))
    assert (run.task, run.init, run.freeze, run.tag, run.fold) == ("knee", init, freeze, tag, 4)


@pytest.mark.parametrize("init", ["net-freeze", "net-freeze-all", "net-nofreeze-freeze"])
@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("tag", ["", "freeze", "seed1"])
def test_an_initialisation_may_be_named_like_a_setting(tmp_path, init, freeze, tag):
    """`net-freeze-nofreeze` is `net-freeze` without freezing, not `net` with freezing and a tag."""
    run = runs.read_run(write_run(tmp_path, init=init, freeze=freeze, tag=tag))
    assert (run.init, run.freeze, run.tag, run.status) == (init, freeze, tag, "finished")


def test_other_folders_are_skipped(tmp_path):
    for fold in (10, 2):
        write_run(tmp_path, "knee", fold=fold)
    write_run(tmp_path, "breast", fold=3)
    (tmp_path / "results").mkdir()
    (tmp_path / "explain" / "knee" / "folder").mkdir(parents=True)
    assert [(run.task, run.fold) for run in find_runs(tmp_path)] == [("breast", 3), ("knee", 2), ("knee", 10)]


def test_an_unfinished_run_says_how_far_it_came(tmp_path):
    folder = write_run(tmp_path, finished=False, epochs=3)
    with (folder / runs.METRICS).open("a") as lines:
        lines.write('{"phase": "all", "epo')  # killed while writing
    (run,) = find_runs(tmp_path)
    assert run.status == "unfinished" and "3 epochs" in run.problem
    (folder / runs.CONFIG).unlink()
    assert runs.read_run(folder).status == "unfinished"


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        (runs.CONFIG, "{", "not JSON"),
        (runs.CONFIG, "[1]", "JSON object"),
        (runs.METRICS, "[]\n", "line 1 is not an object"),
        (runs.RESULT, "\x00", "not JSON"),
        (runs.RESULT, '{"test": null, "val": {"auc": 0.5}}', "no scores of test"),
        (runs.METRICS, "nonsense\n", "line 1"),
        (runs.PREDICTIONS, "", "not a CSV"),
        (runs.PREDICTIONS, "file,label\n", "columns"),
        (runs.PREDICTIONS, "file,label,split,a,b\nx.png,c,test,0.5,0.5\n", "label 'c'"),
        (runs.PREDICTIONS, "file,label,split,a,b\nx.png,a,test,0.5,high\n", "not a probability"),
        (runs.PREDICTIONS, "file,label,split,a,b\nx.png,a,test,nan,0.5\n", "outside 0..1"),
        (runs.PREDICTIONS, "file,label,split,a,b\nx.png,a,test,0.5\n", "line 2"),
        (runs.SPLIT, "file,split\n", "columns"),
        (runs.SPLIT, None, "missing"),
    ],
)
def test_a_corrupt_run_is_named_with_its_reason(tmp_path, file, content, reason):
    folder = write_run(tmp_path)
    write_run(tmp_path, fold=2)
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    bad, good = find_runs(tmp_path)
    assert bad.status == "corrupt" and reason in bad.problem and str(folder / file) in bad.problem
    assert good.status == "finished"


def test_files_that_are_not_text_make_a_run_corrupt(tmp_path):
    folder = write_run(tmp_path)
    for file in (runs.PREDICTIONS, runs.CONFIG):
        (folder / file).write_bytes(b"\xff\xfe\x00\x81")
        assert runs.read_run(folder).status == "corrupt"


def test_a_file_that_cannot_be_opened_makes_a_run_corrupt(tmp_path):
    folder = write_run(tmp_path)
    (folder / runs.PREDICTIONS).unlink()
    (folder / runs.PREDICTIONS).mkdir()
    run = runs.read_run(folder)
    assert run.status == "corrupt" and f"{folder / runs.PREDICTIONS} cannot be read" in run.problem


def test_a_run_folder_with_another_name_is_corrupt(tmp_path):
    folder = write_run(tmp_path)
    folder.parent.rename(tmp_path / "breast" / "mystery")
    (run,) = find_runs(tmp_path)
    assert run.status == "corrupt" and "not named" in run.problem


def test_a_missing_folder_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="not a folder"):
        find_runs(tmp_path / "nowhere")
    assert find_runs(tmp_path) == []


def test_names_with_commas_quotes_and_other_letters_survive(tmp_path):
    write_run(tmp_path, "brust-ä", classes=('a "quoted", one', "<b>&"), prefix='über, "mit" <script>\nzeile')
    (run,) = find_runs(tmp_path)
    assert run.status == "finished", run.problem
    assert run.predictions.classes == ('a "quoted", one', "<b>&")
    assert run.split[0].file.startswith('über, "mit" <script>\nzeile')


def test_an_undefined_auc_is_read(tmp_path):
    folder = write_run(tmp_path)
    (folder / runs.METRICS).write_text(json.dumps({"epoch": 1, "val_auc": float("nan")}) + "\n")
    (run,) = find_runs(tmp_path)
    assert np.isnan(run.metrics[0]["val_auc"])


def test_columns_of_predictions_have_one_name_each_and_give_the_classes_back():
    classes = ("file", "label", "a", "a (class 4)", "a (class 4)", "split", "a", "b (class 9)")
    columns = class_columns(classes, PREDICTION_COLUMNS)
    assert len({*columns, *PREDICTION_COLUMNS}) == len(classes) + 3
    assert columns[2] == "a" and columns[0] == "file (class 0)" and columns[7] == "b (class 9)"
    assert classes_of_columns(columns) == classes


def test_a_class_called_like_a_column_is_read_back(tmp_path):
    folder = write_run(tmp_path, classes=("file", "split"))
    header, *rows = (folder / runs.PREDICTIONS).read_text().splitlines()
    columns = ",".join([*PREDICTION_COLUMNS, *class_columns(("file", "split"), PREDICTION_COLUMNS)])
    (folder / runs.PREDICTIONS).write_text("\n".join([columns, *rows]) + "\n")
    assert runs.read_run(folder).predictions.classes == ("file", "split")
    (folder / runs.PREDICTIONS).write_text("\n".join([header, *rows]) + "\n")  # as earlier versions wrote it
    assert runs.read_run(folder).predictions.classes == ("file", "split")
