"""Reports on unusual studies: one fold, one initialisation, no defined AUC, failed runs, several architectures."""

import json

import numpy as np
import pytest
from workdirs import write_run

from tljax.core import runs
from tljax.core.files import write_csv
from tljax.report import write_report
from tljax.report.analysis.conditions import FREEZE
from tljax.report.analysis.study import analyse
from tljax.report.answer import results_table
from tljax.report.contrast_section import contrast_table
from tljax.report.drawing.gallery import Gallery
from tljax.report.figures import similarity_gain
from tljax.report.sections.agreement import published_table
from tljax.report.sections.auc import scores_table
from tljax.report.wording.claim import checklist
from tljax.report.wording.methods import methods_paragraph
from tljax.report.wording.names import condition_name, plain, signed
from tljax.report.wording.notes import warnings, what_is_missing
from tljax.report.wording.verdict import details, headline, study_headline


def answers(study) -> dict[int, str]:
    """The answers of the checklist by item number."""
    return {item.number: item.answer for item in checklist(study)}


def test_one_run_of_one_initialisation(tmp_path):
    write_run(tmp_path, classes=("a", "b", "c"))
    (task,) = (study := analyse(tmp_path)).tasks
    assert headline(task.verdict) == "No verdict: only ImageNet has finished runs."
    assert "over 1 fold is" in details(task.verdict)[0]
    table = results_table(task, task.condition)
    assert "95 % interval" not in table.columns and "t-test" not in table.caption and not table.best
    text = methods_paragraph(study)
    assert "One network was trained." in text and "1 fold, made by the paper's rule" in text
    assert "t-test" not in text and "standard deviation" not in text  # nothing was compared
    found = answers(study)
    assert found[30] == "1 fold and 1 seed; the spread over folds and seeds is not known."
    assert found[31] == "None in this report." and found[32] == "breast: the test images of 1 fold."
    assert found[29].endswith("not known.")
    assert "Brier score: summed over classes" in scores_table(task).caption


def test_two_initialisations_on_one_fold(tmp_path):
    for init, signal in (("imagenet", 2.0), ("radimagenet", 1.0)):
        write_run(tmp_path, init=init, signal=signal)
    (task,) = (study := analyse(tmp_path)).tasks
    assert "cannot be distinguished from chance" in headline(task.verdict)
    text = methods_paragraph(study)
    assert "by DeLong's test, which covers the choice of test images only" in text and "t-test" not in text
    table = results_table(task, task.condition)
    assert "p over images" in table.columns and "p over folds" not in table.columns
    assert "p over folds" not in table.caption


def test_a_study_in_which_no_fold_has_a_defined_auc(tmp_path):
    for fold in (1, 2):
        for init in ("imagenet", "random"):
            write_run(tmp_path, init=init, fold=fold, absent=(1,))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "No verdict: no fold has a defined AUC." in page
    assert "fold 1 (ImageNet and random) has no test image of malignant. The AUC is undefined." in page
    (task,) = analyse(tmp_path).tasks
    assert np.isnan(task.arms[0].trials[0].scores["f1"])
    cells = dict(zip((table := scores_table(task)).columns, table.rows[0], strict=True))
    assert (cells["F1"], cells["sensitivity at 95 % specificity"]) == ("–", "–")


def test_failed_unfinished_and_unreadable_runs_do_not_count_as_not_trained(tmp_path):
    write_run(tmp_path)
    write_run(tmp_path, init="radimagenet", finished=False)
    planned = [f"breast/{init}-nofreeze/fold1" for init in ("imagenet", "radimagenet", "mine", "random")]
    failed = {"breast mine-nofreeze fold 1": "out of memory"}
    (tmp_path / "study.json").write_text(json.dumps({"planned": planned, "failed": failed}))
    study = analyse(tmp_path)
    assert headline(study.tasks[0].verdict) == "No verdict: only ImageNet has finished runs."
    missing = what_is_missing(study)
    assert "Failed: breast mine-nofreeze fold 1: out of memory" in missing
    assert [line for line in missing if line.startswith("Not started")] == [
        "Not started: breast/random-nofreeze, fold 1."
    ]


def test_differences_are_from_the_initialisation_that_leads_on_the_common_folds(tmp_path):
    """ImageNet has the highest mean over all its folds, RadImageNet over the folds that all have."""
    for fold in (1, 2, 3, 4):
        write_run(tmp_path, init="imagenet", fold=fold, signal=1.0 if fold < 4 else 6.0)
        if fold < 4:
            write_run(tmp_path, init="radimagenet", fold=fold, signal=1.1)
            write_run(tmp_path, init="random", fold=fold, signal=0.1)
    (task,) = analyse(tmp_path).tasks
    leader = task.verdict.leaders[0]
    table = results_table(task, task.condition)
    assert task.arms[0].init == "imagenet" and leader == "radimagenet"
    assert table.best == {1}
    differences = [row[table.columns.index("difference from best")] for row in table.rows]
    assert differences[1] == "–" and differences[0].startswith("−") and differences[2].startswith("−")


def test_several_architectures_and_all_settings_of_training_are_in_the_methods(tmp_path):
    for init, backbone in (("imagenet", "resnet50"), ("dinov2", "vit_small")):
        folder = write_run(
            tmp_path, init=init, tag="seed1", train="head", warmup_epochs=5, weight_decay=0.05, augment="none",
            folds="grouped",
        )  # fmt: skip
        config = json.loads((folder / runs.CONFIG).read_text())
        config["init"]["backbone"] = backbone
        (folder / runs.CONFIG).write_text(json.dumps(config))
    (task,) = (study := analyse(tmp_path)).tasks
    assert condition_name(task.condition) == "head only"
    text = methods_paragraph(study)
    assert "We fine-tuned resnet50, variant keras_v1 (ImageNet) and vit_small, variant keras_v1 (dinov2)." in text
    assert "The learning rate rose linearly over the first 5 epochs." in text
    assert "The decoupled weight decay of kernels was 0.05." in text and "Trained layers: head only." in text
    assert "Augmentation of the training images: none." in text
    assert "made by a grouped and stratified rule that tests every image once" in text


def test_the_layers_that_are_trained_distinguish_conditions(tmp_path):
    for train in ("all", "last10"):
        write_run(tmp_path, train=train, tag="" if train == "all" else "last", freeze=True)
    (task,) = analyse(tmp_path).tasks
    assert [condition_name(condition) for condition in task.conditions] == [
        "head first, then all layers", "head first, then last 10 layers, last",
    ]  # fmt: skip


def test_one_patient_and_one_run_are_written_in_the_singular(tmp_path):
    for fold in (1, 2):
        folder = write_run(tmp_path, fold=fold)
    lines = (folder / runs.SPLIT).read_text().splitlines()
    file, label, _, split = lines[-1].split(",")
    (folder / runs.SPLIT).write_text("\n".join([*lines[:-1], f"{file},{label},p2-0,{split}"]) + "\n")
    write_run(tmp_path, fold=3, classes=("x", "y"))
    study = analyse(tmp_path)
    assert "not disjoint by patient; 1 patient is in more than one part of a fold." in methods_paragraph(study)
    assert "1 run is left out because its classes are not benign and malignant." in " ".join(what_is_missing(study))


def test_initialisations_with_different_settings_are_not_said_to_be_unfinished(tmp_path):
    for fold in (1, 2):
        write_run(tmp_path, init="imagenet", fold=fold, freeze=True)
        write_run(tmp_path, init="random", fold=fold)
    (task,) = analyse(tmp_path).tasks
    assert headline(task.verdict) == "No verdict: no two initialisations were trained under the same condition."
    assert "Train it and ImageNet with the same settings" in details(task.verdict)[1]


def test_a_difference_of_zero_has_no_sign():
    assert [signed(value) for value in (-0.0, 0.0004, -0.001)] == ["0.000", "0.000", "−0.001"]
    assert [plain(value) for value in (-0.0, -0.0004, -0.001)] == ["0.000", "0.000", "−0.001"]


def share_a_patient(folder, patient):
    """Gives the last training image and the last test image of a run to one patient."""
    lines = (folder / runs.SPLIT).read_text().splitlines()
    for part in ("train", "test"):
        row = max(number for number, line in enumerate(lines) if line.endswith(part))
        file, label, _, split = lines[row].split(",")
        lines[row] = f"{file},{label},{patient},{split}"
    (folder / runs.SPLIT).write_text("\n".join(lines) + "\n")


def test_a_patient_in_several_parts_of_several_folds_counts_once(tmp_path):
    for fold in (1, 2):
        share_a_patient(write_run(tmp_path, fold=fold, allow_leakage=True), "p")
    study = analyse(tmp_path)
    assert "1 patient is in more than one part of a fold." in methods_paragraph(study)
    assert warnings(study)[0].startswith("breast: 1 patient has images in more than one part of folds 1 and 2,")


def test_unknown_patients_are_not_one_patient_in_several_parts(tmp_path):
    write_run(tmp_path, grouped=False, allow_leakage=True)
    assert warnings(analyse(tmp_path)) == []


def test_a_gain_relative_to_an_auc_of_0_is_left_out(tmp_path):
    for fold, signal in ((1, -50.0), (2, 0.5)):
        write_run(tmp_path, init="imagenet", fold=fold, signal=2.0)
        write_run(tmp_path, init="random", fold=fold, signal=signal)
    columns = ("task", "model1", "model2", "fold", "protocol", "measure", "layer1", "layer2", "value")
    rows = [("breast", "imagenet-nofreeze", "imagenet", fold, "paper", "cca", "a", "a", 0.5) for fold in (1, 2)]
    write_csv(tmp_path / "results" / "representations.csv", columns, rows)
    study = analyse(tmp_path)
    assert min(arm.aucs[1] for arm in study.tasks[0].arms) == 0
    with (gallery := Gallery(tmp_path / "figures")).style():
        (drawing,) = similarity_gain.draw(gallery, study)
    assert "too few points" in drawing.caption


def test_two_ways_of_training_one_initialisation(tmp_path):
    for fold in (1, 2):
        for freeze in (True, False):
            write_run(tmp_path, fold=fold, freeze=freeze, train="last10")
    study = analyse(tmp_path)
    text = methods_paragraph(study)
    assert "Two ways of training one initialisation are compared fold by fold" in text and "DeLong" not in text
    assert "normalised as each network was pre-trained." in text
    (row,) = contrast_table(study, FREEZE).rows
    assert row[:3] == ["breast", "ImageNet", "last 10 layers"]


def write_tasks(workdir, signals: dict[str, dict[str, float]]) -> None:
    """Five folds of each initialisation of each task."""
    for task, of_task in signals.items():
        for init, signal in of_task.items():
            for fold in range(1, 6):
                write_run(workdir, task, init, fold=fold, signal=signal)


@pytest.mark.parametrize(
    ("signals", "headline"),
    [
        (
            {"a": {"imagenet": 3.0, "random": 0.1}, "b": {"imagenet": 3.0, "random": 0.1}},
            "Start from ImageNet. It is not shown to be worse than another initialisation on any of 2 tasks.",
        ),
        (
            {"a": {"imagenet": 3.0, "random": 0.1}, "b": {"imagenet": 0.1, "random": 3.0}},
            "The best initialisation depends on the task.",
        ),
        (
            {"a": {"imagenet": 3.0, "random": 0.1}, "b": {"mine": 3.0, "random": 0.1}},
            "No initialisation is among the best on all tasks, but not all of them were compared on every task.",
        ),
        (
            {"a": {"imagenet": 1.0, "mine": 1.0}, "b": {"imagenet": 1.0, "random": 1.0}},
            "No difference between the initialisations is shown on any of 2 tasks.",
        ),
        (
            {"a": {"imagenet": 3.0, "random": 0.1}, "b": {"imagenet": 3.0, "random": 0.1}, "c": {"imagenet": 1.0}},
            "Start from ImageNet. It is not shown to be worse than another initialisation on any of the 2 tasks with a "
            "verdict.",
        ),
    ],
)
def test_headline_over_several_tasks(tmp_path, signals, headline):
    write_tasks(tmp_path, signals)
    assert study_headline(analyse(tmp_path))[0] == headline


def test_published_results_are_not_shown_next_to_other_architectures(tmp_path):
    for backbone in ("resnet50", "densenet121"):
        for fold in (1, 2):
            for init in ("imagenet", "radimagenet"):
                folder = write_run(tmp_path / backbone, init=init, fold=fold)
                config = json.loads((folder / runs.CONFIG).read_text())
                config["init"]["backbone"] = backbone
                (folder / runs.CONFIG).write_text(json.dumps(config))
        study = analyse(tmp_path / backbone)
        (task,) = study.tasks
        shown = "published held-out AUC" in results_table(task, task.condition).columns
        assert shown == bool(published_table(study).rows) == (backbone == "resnet50")
