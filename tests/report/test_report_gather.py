"""A workdir in every state: what is compared, and what is said of the rest."""

import json

import numpy as np
import pytest
from workdirs import write_run

from tljax.core import runs
from tljax.core.errors import UserError
from tljax.core.files import write_csv
from tljax.report import evidence, page
from tljax.report.figures import Gallery
from tljax.report.gather import gather


def test_an_empty_workdir_is_a_users_mistake(tmp_path):
    with pytest.raises(UserError, match="no run folder"):
        gather(tmp_path)


def test_arms_share_folds_and_test_images(tmp_path):
    for fold in (1, 2, 3, 4):
        write_run(tmp_path, init="imagenet", fold=fold)
        if fold < 4:
            write_run(tmp_path, init="random", fold=fold, signal=0.2)
    (task,) = gather(tmp_path).tasks
    known = task.evidence[task.condition]
    assert known.folds == 3 and set(known.aucs) == {"imagenet", "random"}
    assert known.unit == "patients"
    assert known.test_to_train == pytest.approx(60 / 180)
    for first, second in zip(known.predictions["imagenet"], known.predictions["random"], strict=True):
        assert np.array_equal(first.labels, second.labels) and first.patients == second.patients
    assert any("random" in remark and "fold 4" in remark for remark in task.remarks)


def test_groups_go_by_their_own_name(tmp_path):
    for init in ("imagenet", "random"):
        config = write_run(tmp_path, init=init) / runs.CONFIG
        facts = json.loads(config.read_text())
        config.write_text(json.dumps(facts | {"card": facts["card"] | {"unit": "lesion"}}))
    study = gather(tmp_path)
    (task,) = study.tasks
    assert task.evidence[task.condition].unit == "lesions" and f" of {task.units} lesions, " in task.size
    answers = " ".join(item.answer for item in evidence.checklist(study))
    assert "disjoint by lesion (checked in every fold)" in answers and f"of {task.units} lesions included" in answers


def test_an_arm_with_too_few_folds_is_left_out_and_said_so(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path, init="imagenet", fold=fold)
        write_run(tmp_path, init="radimagenet", fold=fold)
    write_run(tmp_path, init="random", fold=1)
    (task,) = gather(tmp_path).tasks
    assert set(task.evidence[task.condition].aucs) == {"imagenet", "radimagenet"}
    assert any("random" in remark and "too few finished folds" in remark for remark in task.remarks)


def test_folds_with_other_test_images_are_not_compared(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path, init="imagenet", fold=fold)
        write_run(tmp_path, init="random", fold=fold, prefix="other" if fold == 3 else "image")
    (task,) = gather(tmp_path).tasks
    assert task.evidence[task.condition].folds == 2


def test_conditions_are_compared_apart(tmp_path):
    for fold in (1, 2):
        for init in ("imagenet", "radimagenet"):
            write_run(tmp_path, init=init, fold=fold)
            write_run(tmp_path, init=init, fold=fold, freeze=True)
            write_run(tmp_path, init=init, fold=fold, tag="paper", preprocessing="paper")
        write_run(tmp_path, init="random", fold=fold)
    (task,) = gather(tmp_path).tasks
    assert len(task.evidence) == 3
    assert (task.condition.freeze, task.condition.preprocessing) == (False, "native")
    assert set(task.evidence[task.condition].aucs) == {"imagenet", "radimagenet", "random"}


def test_seeds_are_averaged_within_a_fold_and_their_spread_is_its_own_figure(tmp_path):
    for fold in (1, 2):
        for seed in (0, 1, 2):
            write_run(tmp_path, fold=fold, seed=seed, tag=f"seed{seed}", signal=1.0)
    (task,) = gather(tmp_path).tasks
    (arm,) = task.arms
    by_fold = [[t.auc.value for t in task.trials if t.run.fold == fold] for fold in (1, 2)]
    assert list(task.aucs(arm).values()) == pytest.approx(np.mean(by_fold, axis=1))
    assert task.seed_spread(arm) == pytest.approx(np.sqrt(np.mean(np.var(by_fold, axis=1, ddof=1))))
    assert not any("same seed" in remark for remark in task.remarks)


def test_a_class_absent_from_a_test_fold(tmp_path):
    write_run(tmp_path, fold=1, absent=(1,))
    for fold in (2, 3):
        write_run(tmp_path, fold=fold)
    write_run(tmp_path, "derm", fold=1, classes=("a", "b", "c"), absent=(1,))
    breast, derm = gather(tmp_path).tasks
    assert list(breast.aucs(breast.arms[0])) == [2, 3]
    assert any("no test image of malignant; its AUC is undefined" in remark for remark in breast.remarks)
    assert np.isfinite(derm.trials[0].auc.value)
    assert any("no test image of b; its AUC leaves that class out" in remark for remark in derm.remarks)


def test_failed_half_finished_and_corrupt_runs_stop_nothing(tmp_path):
    write_run(tmp_path, fold=1)
    write_run(tmp_path, fold=2, finished=False)
    (write_run(tmp_path, fold=3) / runs.PREDICTIONS).write_text("rubbish")
    folder = write_run(tmp_path, fold=4)
    lines = [line for line in (folder / runs.PREDICTIONS).read_text().splitlines() if ",test," not in line]
    (folder / runs.PREDICTIONS).write_text("\n".join(lines) + "\n")
    (tmp_path / "study.json").write_text("{broken")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "representations.csv").write_bytes(b"\xff\xfe\x00")
    study = gather(tmp_path)
    assert [run.status for run in study.runs] == ["finished", "unfinished", "corrupt", "corrupt"]
    assert "no test image" in study.runs[3].problem
    assert study.tasks[0].verdict.kind == "cannot"
    assert any("study.json" in remark for remark in study.remarks)
    assert any("representations.csv" in remark for remark in study.remarks)


def test_a_workdir_without_any_finished_run(tmp_path):
    write_run(tmp_path, finished=False)
    study = gather(tmp_path)
    assert study.tasks == [] and study.of_status("unfinished")


def test_settings_of_the_study(tmp_path):
    write_run(tmp_path)
    (tmp_path / "study.json").write_text(json.dumps({"command": "python -m tljax.study"}))
    assert gather(tmp_path).settings["command"] == "python -m tljax.study"


def test_a_run_that_others_start_from_is_pre_training(tmp_path):
    source = write_run(tmp_path, "phantom-source", "random")
    for fold in (1, 2):
        write_run(tmp_path, "phantom", "phantom-source-random", fold=fold, spec=str(source))
        write_run(tmp_path, "phantom", "random", fold=fold)
    study = gather(tmp_path)
    assert [task.name for task in study.tasks] == ["phantom"] and len(study.runs) == 5
    assert any("phantom-source/random-nofreeze/fold1 is left out" in remark for remark in study.remarks)


def test_a_run_of_the_answer_stays_though_others_start_from_it(tmp_path):
    for fold in (1, 2):
        source = write_run(tmp_path, "breast", "imagenet", fold=fold)
        write_run(tmp_path, "breast", "random", fold=fold)
        write_run(tmp_path, "chest", "breast-imagenet", fold=fold, spec=str(source))
        write_run(tmp_path, "chest", "random", fold=fold)
    breast, chest = gather(tmp_path).tasks
    assert set(breast.evidence[breast.condition].aucs) == {"imagenet", "random"}
    assert not any("imagenet" in remark.lower() and "fold" in remark for remark in breast.remarks)
    (tmp_path / "study.json").write_text(json.dumps({"config": {"pretrain": [{"dataset": "breast"}]}}))
    study = gather(tmp_path)
    assert [task.name for task in study.tasks] == ["chest"]
    assert sum("left out of the answer" in remark for remark in study.remarks) == 4
    assert chest.name == "chest"


def test_the_plan_tells_what_was_not_started(tmp_path):
    write_run(tmp_path)
    planned = [f"breast/{init}-nofreeze/fold{fold}" for init in ("imagenet", "random") for fold in (1, 2)]
    (tmp_path / "study.json").write_text(json.dumps({"planned": planned}))
    study = gather(tmp_path)
    assert [str(place) for place in study.not_started] == planned[1:]
    (tmp_path / "study.json").write_text(json.dumps({"planned": 3, "config": [], "versions": ""}))
    assert gather(tmp_path).not_started == []


def test_comparisons_are_read_where_the_tables_are_not_written_yet(tmp_path):
    write_run(tmp_path)
    for name in ("fold1", "fold2-paper"):
        write_csv(tmp_path / "comparisons" / "breast" / f"{name}.csv", ("task", "value"), [("breast", 0.5)])
    study = gather(tmp_path)
    assert [row["condition"] for row in study.tables["representations"]] == ["", "paper"]
    assert any("not written yet" in remark for remark in study.remarks)


def test_a_seed_weighs_once(tmp_path):
    for fold in (1, 2):
        write_run(tmp_path, fold=fold)
        write_run(tmp_path, fold=fold, tag="seed0", signal=0.1)
        write_run(tmp_path, fold=fold, tag="seed1", seed=1)
    study = gather(tmp_path)
    (task,) = study.tasks
    assert [(t.run.fold, t.seed, t.run.tag) for t in task.trials] == [
        (1, 0, ""), (2, 0, ""), (1, 1, "seed1"), (2, 1, "seed1")
    ]  # fmt: skip
    assert any("breast/imagenet-nofreeze-seed0/fold1 is left out" in remark for remark in study.remarks)
    planned = {"planned": [f"breast/imagenet-nofreeze-seed{seed}/fold{fold}" for seed in (0, 1) for fold in (1, 2)]}
    (tmp_path / "study.json").write_text(json.dumps(planned))
    assert {t.run.tag for t in gather(tmp_path).tasks[0].trials} == {"seed0", "seed1"}


@pytest.mark.parametrize("finished", [True, False])
def test_what_is_json_but_no_run_is_corrupt_and_named(tmp_path, finished):
    write_run(tmp_path, fold=1)
    folder = write_run(tmp_path, fold=2, finished=finished)
    (folder / runs.CONFIG).write_text(json.dumps({"config": {"seed": "x"}}))
    (write_run(tmp_path, fold=3, finished=finished) / runs.METRICS).write_text("[]\n")
    folder = write_run(tmp_path, fold=4, finished=finished)
    (folder / runs.CONFIG).write_text(json.dumps({"config": [1]}))
    study = gather(tmp_path)
    assert [run.status for run in study.runs] == ["finished", "corrupt", "corrupt", "corrupt"]
    for run, told in zip(
        study.runs[1:], ("seed 'x'", "line 1 is not an object", "config is not an object"), strict=True
    ):
        assert told in run.problem and str(run.path) in run.problem


def test_other_conditions_are_adjusted_over_tasks_too(tmp_path):
    for task in ("breast", "chest"):
        for fold in (1, 2, 3):
            for init in ("imagenet", "radimagenet", "random"):
                write_run(tmp_path, task, init, fold=fold)
            for init in ("imagenet", "radimagenet"):
                write_run(tmp_path, task, init, fold=fold, freeze=True)
    tasks = gather(tmp_path).tasks
    frozen = [pair for task in tasks for condition, found in task.pairs.items() if condition.freeze for pair in found]
    assert len(frozen) == 2
    assert min(pair.adjusted_p for pair in frozen) == pytest.approx(min(1, 2 * min(pair.t.p for pair in frozen)))


def test_tasks_stand_in_the_order_of_the_plan(tmp_path):
    kernels = np.ones((7, 7, 3, 8))
    for task in ("breast", "chest", "another", "thyroid"):
        write_run(tmp_path, task)
        (tmp_path / "explain" / task).mkdir(parents=True)
        np.savez(tmp_path / "explain" / task / "filters-imagenet-nofreeze.npz", before=kernels, after=kernels)
    planned = [f"{task}/imagenet-nofreeze/fold1" for task in ("thyroid", "breast", "chest")]
    (tmp_path / "study.json").write_text(json.dumps({"planned": planned}))
    study = gather(tmp_path)
    assert [task.name for task in study.tasks] == ["thyroid", "breast", "chest", "another"]
    gallery = Gallery(tmp_path / "figures")
    with gallery.style():
        (filters,) = (part for part in page.sections(study, gallery) if part.anchor == "filters")
    titles = [figure.title for figure in filters.figures]
    assert titles == [f"conv1: {task.name}, ImageNet tuned" for task in study.tasks]
