"""Analysis of study folders in every state: which runs are compared, and what is noted about the others."""

import json

import numpy as np
import pytest
from workdirs import write_run

from tljax.core import runs
from tljax.core.errors import UserError
from tljax.core.files import write_csv
from tljax.report.analysis import notes
from tljax.report.analysis.study import analyse
from tljax.report.drawing.gallery import Gallery
from tljax.report.sections import filters
from tljax.report.wording.claim import checklist
from tljax.report.wording.names import task_size
from tljax.report.wording.notes import what_is_missing


def of_verdict(task):
    """The comparison under the verdict's condition."""
    return task.results[task.condition]


def of_kind(study, kind):
    """The notes of a kind, of the study and of its tasks."""
    found = [*study.notes, *(note for task in study.tasks for note in task.notes)]
    return [note for note in found if isinstance(note, kind)]


def test_an_empty_workdir_is_refused(tmp_path):
    with pytest.raises(UserError, match="no run folder"):
        analyse(tmp_path)


def test_a_run_folder_is_refused_by_naming_its_workdir(tmp_path):
    write_run(tmp_path)
    (config,) = tmp_path.rglob(runs.CONFIG)
    with pytest.raises(UserError, match=rf"is the folder of one run; name the --workdir that it is in: {tmp_path}$"):
        analyse(config.parent)


def test_initialisations_are_compared_on_common_folds_and_test_images(tmp_path):
    for fold in (1, 2, 3, 4):
        write_run(tmp_path, init="imagenet", fold=fold)
        if fold < 4:
            write_run(tmp_path, init="random", fold=fold, signal=0.2)
    (task,) = (study := analyse(tmp_path)).tasks
    known = of_verdict(task).evidence
    assert known.folds == 3 and set(known.aucs) == {"imagenet", "random"}
    assert known.unit == "patients"
    assert known.test_to_train == pytest.approx(60 / 180)
    for first, second in zip(known.predictions["imagenet"], known.predictions["random"], strict=True):
        assert np.array_equal(first.labels, second.labels) and first.patients == second.patients
    (missing,) = of_kind(study, notes.MissingFolds)
    assert (missing.arm.init, missing.folds) == ("random", (4,))


def test_groups_are_called_by_the_unit_of_the_task(tmp_path):
    for init in ("imagenet", "random"):
        config = write_run(tmp_path, init=init) / runs.CONFIG
        facts = json.loads(config.read_text())
        config.write_text(json.dumps(facts | {"card": facts["card"] | {"unit": "lesion"}}))
    study = analyse(tmp_path)
    (task,) = study.tasks
    units = task.facts.units
    assert of_verdict(task).evidence.unit == "lesions" and f" of {units} lesions, " in task_size(task)
    answers = " ".join(item.answer for item in checklist(study))
    assert "disjoint by lesion (checked in every fold)" in answers and f"of {units} lesions included" in answers


def test_an_initialisation_with_too_few_folds_is_left_out_with_a_note(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path, init="imagenet", fold=fold)
        write_run(tmp_path, init="radimagenet", fold=fold)
    write_run(tmp_path, init="random", fold=1)
    (task,) = (study := analyse(tmp_path)).tasks
    assert set(of_verdict(task).evidence.aucs) == {"imagenet", "radimagenet"}
    assert [note.arm.init for note in of_kind(study, notes.TooFewFolds)] == ["random"]


def test_folds_with_different_test_images_are_not_compared(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path, init="imagenet", fold=fold)
        write_run(tmp_path, init="random", fold=fold, prefix="other" if fold == 3 else "image")
    (task,) = analyse(tmp_path).tasks
    assert of_verdict(task).evidence.folds == 2


def test_conditions_are_compared_separately(tmp_path):
    for fold in (1, 2):
        for init in ("imagenet", "radimagenet"):
            write_run(tmp_path, init=init, fold=fold)
            write_run(tmp_path, init=init, fold=fold, freeze=True)
            write_run(tmp_path, init=init, fold=fold, tag="paper", preprocessing="paper")
        write_run(tmp_path, init="random", fold=fold)
    (task,) = analyse(tmp_path).tasks
    assert len(task.results) == 3
    assert (task.condition.freeze, task.condition.preprocessing) == (False, "native")
    assert set(of_verdict(task).evidence.aucs) == {"imagenet", "radimagenet", "random"}


def test_seeds_are_averaged_within_a_fold_and_their_spread_is_reported_separately(tmp_path):
    for fold in (1, 2):
        for seed in (0, 1, 2):
            write_run(tmp_path, fold=fold, seed=seed, tag=f"seed{seed}", signal=1.0)
    (task,) = (study := analyse(tmp_path)).tasks
    (arm,) = task.arms
    by_fold = [[t.auc.value for t in task.trials if t.fold == fold] for fold in (1, 2)]
    assert list(arm.aucs.values()) == pytest.approx(np.mean(by_fold, axis=1))
    assert arm.seed_spread == pytest.approx(np.sqrt(np.mean(np.var(by_fold, axis=1, ddof=1))))
    assert not of_kind(study, notes.OneSeed)


def test_a_class_absent_from_a_test_fold(tmp_path):
    write_run(tmp_path, fold=1, absent=(1,))
    for fold in (2, 3):
        write_run(tmp_path, fold=fold)
    write_run(tmp_path, "derm", fold=1, classes=("a", "b", "c"), absent=(1,))
    study = analyse(tmp_path)
    breast, derm = study.tasks
    assert list(breast.arms[0].aucs) == [2, 3]
    assert np.isfinite(derm.arms[0].trials[0].auc.value)
    missing = " ".join(what_is_missing(study))
    assert "fold 1 (ImageNet) has no test image of malignant. The AUC is undefined." in missing
    assert "fold 1 (ImageNet) has no test image of b. The AUC leaves out b." in missing


def test_unfinished_and_corrupt_runs_do_not_stop_the_analysis(tmp_path):
    write_run(tmp_path, fold=1)
    write_run(tmp_path, fold=2, finished=False)
    (write_run(tmp_path, fold=3) / runs.PREDICTIONS).write_text("rubbish")
    folder = write_run(tmp_path, fold=4)
    lines = [line for line in (folder / runs.PREDICTIONS).read_text().splitlines() if ",test," not in line]
    (folder / runs.PREDICTIONS).write_text("\n".join(lines) + "\n")
    (tmp_path / "study.json").write_text("{broken")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "representations.csv").write_bytes(b"\xff\xfe\x00")
    study = analyse(tmp_path)
    assert [run.status for run in study.runs] == ["finished", "unfinished", "corrupt", "corrupt"]
    assert "no test image" in study.runs[3].problem
    assert study.tasks[0].verdict.kind == "cannot"
    assert any("study.json" in note.message for note in of_kind(study, notes.Unreadable))
    assert any("representations.csv" in note.message for note in of_kind(study, notes.Unreadable))


def test_a_workdir_without_any_finished_run(tmp_path):
    write_run(tmp_path, finished=False)
    study = analyse(tmp_path)
    assert study.tasks == () and study.of_status("unfinished")


def test_settings_of_the_study(tmp_path):
    write_run(tmp_path)
    (tmp_path / "study.json").write_text(json.dumps({"command": "python -m tljax.study"}))
    assert analyse(tmp_path).settings["command"] == "python -m tljax.study"


def test_a_run_that_others_start_from_is_pre_training(tmp_path):
    source = write_run(tmp_path, "phantom-source", "random")
    for fold in (1, 2):
        write_run(tmp_path, "phantom", "phantom-source-random", fold=fold, spec=str(source))
        write_run(tmp_path, "phantom", "random", fold=fold)
    study = analyse(tmp_path)
    assert [task.name for task in study.tasks] == ["phantom"] and len(study.runs) == 5
    assert of_kind(study, notes.PreTraining) == [notes.PreTraining("phantom-source/random-nofreeze/fold1")]


def test_a_compared_run_is_kept_even_if_other_runs_start_from_it(tmp_path):
    for fold in (1, 2):
        source = write_run(tmp_path, "breast", "imagenet", fold=fold)
        write_run(tmp_path, "breast", "random", fold=fold)
        write_run(tmp_path, "chest", "breast-imagenet", fold=fold, spec=str(source))
        write_run(tmp_path, "chest", "random", fold=fold)
    study = analyse(tmp_path)
    breast, chest = study.tasks
    assert set(of_verdict(breast).evidence.aucs) == {"imagenet", "random"}
    assert not of_kind(study, notes.PreTraining | notes.MissingFolds)
    (tmp_path / "study.json").write_text(json.dumps({"config": {"pretrain": [{"dataset": "breast"}]}}))
    study = analyse(tmp_path)
    assert [task.name for task in study.tasks] == ["chest"]
    assert len(of_kind(study, notes.PreTraining)) == 4
    assert chest.name == "chest"


def test_planned_runs_without_a_folder_are_not_started(tmp_path):
    write_run(tmp_path)
    planned = [f"breast/{init}-nofreeze/fold{fold}" for init in ("imagenet", "random") for fold in (1, 2)]
    (tmp_path / "study.json").write_text(json.dumps({"planned": planned}))
    study = analyse(tmp_path)
    assert study.not_started == planned[1:]
    (tmp_path / "study.json").write_text(json.dumps({"planned": 3, "config": [], "versions": ""}))
    assert analyse(tmp_path).not_started == []


def test_comparisons_are_read_if_the_tables_are_not_written_yet(tmp_path):
    write_run(tmp_path)
    columns = ("task", "model1", "model2", "protocol", "measure", "layer1", "layer2", "fold", "value")
    for name in ("fold1", "fold2-paper"):
        row = ("breast", "imagenet", "random", "paper", "cca", "conv1", "conv1", 1, 0.5)
        write_csv(tmp_path / "comparisons" / "breast" / f"{name}.csv", columns, [row])
    study = analyse(tmp_path)
    assert [found.preprocessing for found in study.tasks[0].representations] == ["native", "paper"]
    assert of_kind(study, notes.TablesNotWritten)


def test_each_seed_of_a_fold_counts_once(tmp_path):
    for fold in (1, 2):
        write_run(tmp_path, fold=fold)
        write_run(tmp_path, fold=fold, tag="seed0", signal=0.1)
        write_run(tmp_path, fold=fold, tag="seed1", seed=1)
    study = analyse(tmp_path)
    (task,) = study.tasks
    assert [(t.fold, t.seed, t.run.tag) for t in task.trials] == [
        (1, 0, ""), (1, 1, "seed1"), (2, 0, ""), (2, 1, "seed1")
    ]  # fmt: skip
    assert notes.Repeated("breast/imagenet-nofreeze-seed0/fold1", "breast/imagenet-nofreeze/fold1") in study.notes
    planned = {"planned": [f"breast/imagenet-nofreeze-seed{seed}/fold{fold}" for seed in (0, 1) for fold in (1, 2)]}
    (tmp_path / "study.json").write_text(json.dumps(planned))
    assert {t.run.tag for t in analyse(tmp_path).tasks[0].trials} == {"seed0", "seed1"}


@pytest.mark.parametrize("finished", [True, False])
def test_json_that_is_not_a_run_is_corrupt_and_named(tmp_path, finished):
    write_run(tmp_path, fold=1)
    folder = write_run(tmp_path, fold=2, finished=finished)
    (folder / runs.CONFIG).write_text(json.dumps({"config": {"seed": "x"}}))
    (write_run(tmp_path, fold=3, finished=finished) / runs.METRICS).write_text("[]\n")
    folder = write_run(tmp_path, fold=4, finished=finished)
    (folder / runs.CONFIG).write_text(json.dumps({"config": [1]}))
    study = analyse(tmp_path)
    assert [run.status for run in study.runs] == ["finished", "corrupt", "corrupt", "corrupt"]
    for run, told in zip(
        study.runs[1:], ("seed 'x'", "line 1 is not an object", "config is not an object"), strict=True
    ):
        assert told in run.problem and run.place in run.problem


def test_tasks_have_the_order_of_the_plan(tmp_path):
    kernels = np.ones((7, 7, 3, 8))
    for task in ("breast", "chest", "another", "thyroid"):
        write_run(tmp_path, task)
        (tmp_path / "explain" / task).mkdir(parents=True)
        np.savez(tmp_path / "explain" / task / "filters-imagenet-nofreeze.npz", before=kernels, after=kernels)
    planned = [f"{task}/imagenet-nofreeze/fold1" for task in ("thyroid", "breast", "chest")]
    (tmp_path / "study.json").write_text(json.dumps({"planned": planned}))
    study = analyse(tmp_path)
    assert [task.name for task in study.tasks] == ["thyroid", "breast", "chest", "another"]
    gallery = Gallery(tmp_path / "figures")
    with gallery.style():
        titles = [drawing.title for drawing in filters.make(study, gallery).drawings]
    assert titles == [f"First layer: {task.name}, ImageNet (fine-tuned)" for task in study.tasks]
