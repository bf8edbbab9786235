"""The screening section: shortlist, scores, and what the shortlist loses against fine-tuning."""

import json

import numpy as np
import pytest
from workdirs import write_run

from tljax.core.files import write_csv
from tljax.report.analysis.study import analyse
from tljax.report.drawing.gallery import Gallery
from tljax.report.sections import screening
from tljax.statistics.over_folds import corrected_t

SCREEN = ("network", "score", "fold", "value", "low", "high", "seconds")


def write_screening(folder, kept):
    rows = [
        (network, "linear_probe", fold, value, low, high, 3.0)
        for network, value in (("imagenet", 0.9), ("mine", 0.85), ("random", 0.6))
        for fold, low, high in (("", value - 0.05, value + 0.05), ("1", "", ""))
    ]
    rows += [(network, "logme", "", 0.1, "", "", 0.5) for network in ("imagenet", "mine", "random")]
    write_csv(folder / "screen.csv", SCREEN, rows)
    write_csv(folder / "shortlist.csv", ("rank", "network", "reason"), [(1, kept, "not shown to be worse")])


def made(workdir):
    (task,) = (study := analyse(workdir)).tasks
    with (gallery := Gallery(workdir / "figures")).style():
        return task, screening.make(study, gallery)


@pytest.mark.parametrize("place", ["screening", "screening/breast"])
def test_regret_is_the_paired_difference_from_the_best_fine_tuned_candidate(tmp_path, place):
    for fold in range(1, 6):
        write_run(tmp_path, init="imagenet", fold=fold, signal=2.5)
        write_run(tmp_path, init="random", fold=fold, signal=0.5)
    write_screening(tmp_path / place, kept="random")
    task, section = made(tmp_path)
    best, chosen = (next(arm for arm in task.arms if arm.init == init) for init in ("imagenet", "random"))
    gaps = np.array([best.aucs[fold] - chosen.aucs[fold] for fold in range(1, 6)])
    assert task.screening.regret.difference == corrected_t(gaps, task.facts.test_to_train)
    text = next(element for element in section.others if element.kind == "paragraph").text
    assert text.startswith("2 candidates were fine-tuned. ImageNet has the highest AUC and is not on the shortlist.")
    assert f"loses {gaps.mean():.3f} AUC" in text


def test_scores_over_all_folds_and_the_reasons_of_the_shortlist_are_shown(tmp_path):
    for fold in (1, 2):
        write_run(tmp_path, init="imagenet", fold=fold, signal=2.5)
        write_run(tmp_path, init="random", fold=fold, signal=0.5)
    write_screening(tmp_path / "screening" / "breast", kept="imagenet")
    task, section = made(tmp_path)
    shortlist, scores = section.tables
    assert shortlist.rows == [["1", "ImageNet", "not shown to be worse"]]
    assert scores.columns == ["start from", "linear probe", "95 % interval of linear probe", "logme"]
    assert scores.rows[1] == ["mine", "0.850", "0.800 to 0.900", "0.100"]
    assert task.screening.regret.difference.value == 0
    assert "is on the shortlist" in next(element for element in section.others if element.kind == "paragraph").text
    (drawing,) = section.drawings
    assert "ImageNet (kept)" in drawing.markup and "after fine-tuning" in drawing.caption


def test_random_networks_of_a_shortlist_are_compared_by_the_names_of_the_screening(tmp_path):
    """Their runs are tagged with the backbone, which is not a condition of its own."""
    for fold in range(1, 6):
        write_run(tmp_path, init="imagenet", fold=fold, signal=2.5)
        for backbone in ("resnet18", "vit_small_patch16_224"):
            write_run(tmp_path, init="random", fold=fold, tag=backbone, backbone=backbone, signal=0.1)
    (tmp_path / "study.json").write_text(json.dumps({"config": {"inits": ["shortlist"]}}))
    (task,) = analyse(tmp_path).tasks
    names = {"imagenet", "random (resnet18)", "random (vit_small_patch16_224)"}
    assert set(task.results[task.condition].evidence.aucs) == names and len(task.results) == 1
    (tmp_path / "study.json").write_text(json.dumps({"config": {"inits": ["random"]}}))
    assert len(analyse(tmp_path).tasks[0].results) == 3


def test_a_study_without_screening_has_no_section_and_one_run_no_regret(tmp_path):
    write_run(tmp_path)
    task, section = made(tmp_path)
    assert task.screening is None and not section.elements
    write_screening(tmp_path / "screening", kept="imagenet")
    task, _ = made(tmp_path)
    assert task.screening.regret is None


def test_layer_profile_redundancy_and_label_efficiency_are_drawn_if_they_exist(tmp_path):
    for fold in (1, 2):
        write_run(tmp_path, fold=fold)
    folder = tmp_path / "screening"
    write_screening(folder, kept="imagenet")
    _, section = made(tmp_path)
    assert len(section.drawings) == 1  # the scores alone
    probe = ("value", "low", "high")
    layers = [(name, layer, 0.8, 0.7, 0.9) for name in ("imagenet", "mine") for layer in ("a", "b", "pooled")]
    write_csv(folder / "layers.csv", ("network", "layer", *probe), layers)
    write_csv(folder / "redundancy.csv", ("first", "second", "debiased_cka"), [("imagenet", "mine", 0.97)])
    sizes = [("imagenet", share, 480 * share, 5, 0.8, 0.7, 0.9) for share in (0.1, 1.0)]
    write_csv(folder / "efficiency.csv", ("network", "share", "images", "draws", *probe), sizes)
    columns = ("first", "second", "images", "low", "high", "of")
    write_csv(folder / "equivalence.csv", columns, [("imagenet", "mine", 120.4, 60, "", 480)])
    (folder / "remarks.txt").write_text("No candidate stands out: any of these.\n")
    task, section = made(tmp_path)
    names = [drawing.title.partition(":")[0] for drawing in section.drawings]
    assert names == ["Screening", "Layer profile", "Redundancy", "Label efficiency"]
    efficiency = section.drawings[-1].markup
    assert ">48<" in efficiency and ">480<" in efficiency and "mathdefault" not in efficiency
    assert task.screening.redundancy == {("imagenet", "mine"): 0.97}
    (row,) = section.tables[-1].rows
    assert row == ["ImageNet", "mine", "120", "60", "–", "480"]
    assert any(getattr(each, "text", "") == "No candidate stands out: any of these." for each in section.others)
