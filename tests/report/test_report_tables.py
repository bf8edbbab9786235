"""Tables as CSV and LaTeX: numbers as printed, and names that contain markup."""

import csv
import re

import numpy as np
import pytest
from workdirs import write_run

from tljax.report.analysis.conditions import FREEZE, PREPROCESSING
from tljax.report.analysis.study import analyse
from tljax.report.answer import overview_table, results_table
from tljax.report.contrast_section import contrast_table
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Table, latex
from tljax.report.figures import contrast
from tljax.report.sections.agreement import published_table, similarity_table
from tljax.report.sections.auc import pairs_table, scores_table
from tljax.report.sections.cost import cost_table
from tljax.report.sections.runs import runs_table, settings_table
from tljax.report.wording.names import p_value, plain
from tljax.statistics import metrics
from tljax.statistics.over_folds import corrected_t

WITH_MARKUP = [
    "<script>alert(1)</script>",
    '"quoted", comma',
    r"50%_of $x^2$ & #1 {a}~b\end{table}",
    "größer–日本",
    "=cmd()",
    "a\nb",
]


def test_latex_text_contains_no_commands():
    for name in WITH_MARKUP:
        text = latex(name)
        assert "\n" not in text
        bare = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar)\{\}", "", text)
        bare = re.sub(r"\\[{}$&#_%]", "", bare)
        assert not re.search(r"[\\{}$&#_%~^]", bare.replace("--", "")), text
    assert latex('say "a"') == "say ''a''"  # \\textquotedbl would need another font encoding
    assert latex("a_b & 50 %") == r"a\_b \& 50 \%"
    assert latex("−0.1 ± 2") == r"$-$0.1 $\pm$ 2"


def test_csv_is_read_back_unchanged_and_contains_no_formulas(tmp_path):
    rows = [[name, "0.5", "-0.25", "+0.1 to 0.2"] for name in WITH_MARKUP]
    Table("t", "caption", ["name", "x", "y", "z"], rows).write(tmp_path, "t")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as lines:
        _, *read = list(csv.reader(lines))
    assert [row[0] for row in read] == [name if name != "=cmd()" else "'=cmd()" for name in WITH_MARKUP]
    assert all(row[1:] == ["0.5", "-0.25", "+0.1 to 0.2"] for row in read)


def test_latex_table_has_one_line_per_row_and_escaped_text():
    table = Table("t", "cap_tion", ["name", "x"], [[name, "1"] for name in WITH_MARKUP], best=frozenset([0]))
    body = table.latex()
    assert body.count(r"\\") == 1 + len(WITH_MARKUP)
    assert r"\textbf{\textless{}script" in body and r"\caption{cap\_tion}" in body


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("workdir")
    for fold in (1, 2, 3):
        for seed in (0, 1):
            write_run(workdir, init="imagenet", fold=fold, seed=seed, tag=f"seed{seed}", signal=2.0)
        write_run(workdir, init="random", fold=fold, signal=0.3)
        write_run(workdir, init="imagenet", fold=fold, tag="paper", preprocessing="paper", signal=1.5)
    return analyse(workdir)


def test_results_table_shows_the_published_values(study):
    (task,) = study.tasks
    table = results_table(task, task.condition)
    assert [row[0] for row in table.rows] == ["ImageNet", "random"] and table.best == {0}
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    assert cells["published held-out AUC"] == "0.905 ± 0.038"
    assert cells["folds"] == "3"
    assert 0 < float(cells["SD over seeds"]) < 0.2  # seeds separately from folds
    assert cells["test AUC, mean ± SD over folds"].startswith(f"{task.arms[0].mean.value:.3f} ± ")


def test_held_out_auc_is_over_validation_and_test_images(study):
    (task,) = study.tasks
    table = results_table(task, task.condition)
    cells = dict(zip(table.columns, table.rows[1], strict=True))
    expected = []
    for trial in task.arms[1].trials:
        with (study.workdir / trial.run.place / "predictions.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))  # validation and test images
        second = np.array([float(row["malignant"]) for row in rows])
        labels = np.array([row["label"] == "malignant" for row in rows])
        expected.append(metrics.auroc(labels, second))
    assert cells["held-out AUC"] == f"{np.mean(expected):.3f} ± {np.std(expected, ddof=1):.3f}"
    assert cells["held-out AUC"] != cells["test AUC, mean ± SD over folds"]
    assert "The published AUCs are not test AUCs" in table.caption


def test_every_table_is_rectangular_and_has_every_run(study):
    (task,) = study.tasks
    made = [results_table(task, condition) for condition in task.conditions]
    made += [scores_table(task), pairs_table(study), similarity_table(study), cost_table(study), settings_table(study)]
    for table in [*made, runs_table(study)]:
        assert table.rows and all(len(row) == len(table.columns) for row in table.rows)
    assert len(runs_table(study).rows) == len(study.runs) == 12
    assert len(task.conditions) == 2  # native and paper preprocessing are two conditions
    assert {row[2] for row in similarity_table(study).rows} == {"ImageNet – random"}


def test_the_overview_has_the_same_order_whichever_initialisation_leads(tmp_path):
    for fold in (1, 2):
        for task, signals in (("a", (0.3, 2.0)), ("b", (2.0, 0.3))):
            for init, signal in zip(("imagenet", "random"), signals, strict=True):
                write_run(tmp_path, task, init, fold=fold, signal=signal)
    study = analyse(tmp_path)
    assert [task.arms[0].init for task in study.tasks] == ["random", "imagenet"]
    assert overview_table(study).columns == ("task", "start from", "ImageNet", "random")


def test_the_authors_baseline_uses_imagenet_whichever_does_better(tmp_path):
    for fold in (1, 2):
        write_run(tmp_path, init="imagenet", fold=fold, signal=0.5)
        write_run(tmp_path, init="radimagenet", fold=fold, signal=2.5)
    study = analyse(tmp_path)
    table = similarity_table(study)
    (row,) = table.rows
    cells = dict(zip(table.columns, row, strict=True))
    assert cells["pair"] == "ImageNet – RadImageNet"
    trials = [trial for trial in study.trials if trial.arm.init == "imagenet"]
    accuracy = np.mean([trial.scores["accuracy"] for trial in trials])
    assert cells["authors' baseline"] == plain(accuracy**2 + (1 - accuracy) ** 2)
    (found,) = study.tasks[0].predictions[study.tasks[0].condition]
    assert found.held_out.n == sum(len(trial.held_out.files) for trial in trials) > found.test.n
    table = published_table(study)
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    assert cells["held-out images"] == plain(found.held_out.observed) != cells["test images"]
    assert (cells["published"], cells["authors' baseline, published"]) == ("0.823", "0.740")


@pytest.mark.parametrize(
    ("axis", "other", "columns"),
    [
        (PREPROCESSING, {"tag": "paper", "preprocessing": "paper"}, ("native preprocessing", "paper preprocessing")),
        (FREEZE, {"freeze": False}, ("head first", "all layers at once")),
    ],
)
def test_two_ways_of_training_are_compared_fold_by_fold(tmp_path, axis, other, columns):
    for fold in (1, 2, 3):
        write_run(tmp_path, init="imagenet", fold=fold, freeze=True, signal=2.0)
        write_run(tmp_path, init="imagenet", fold=fold, **{"freeze": True, "signal": 1.0} | other)
        write_run(tmp_path, init="random", fold=fold, freeze=True)  # in one way only
    (task,) = (study := analyse(tmp_path)).tasks
    table = contrast_table(study, axis)
    (row,) = table.rows
    cells = dict(zip(table.columns, row, strict=True))
    first, second = (
        next(a.aucs for a in task.arms if (a.init, getattr(a.condition, axis.setting)) == ("imagenet", value))
        for value in axis.values
    )
    ratio = task.facts.test_to_train
    expected = corrected_t(np.array([first[fold] - second[fold] for fold in (1, 2, 3)]), ratio)
    assert cells["start from"] == "ImageNet" and cells["folds"] == "3"
    assert [cells[f"AUC, {name}"] for name in columns] == [plain(np.mean(list(a.values()))) for a in (first, second)]
    assert cells["p over folds"] == p_value(expected.p) == cells["p over folds, adjusted"]
    assert cells["95 % interval of difference"] == f"{plain(expected.low)} to {plain(expected.high)}"
    assert cells["condition"] == ("head first, then all layers" if axis is PREPROCESSING else "–")
    with (gallery := Gallery(tmp_path / "figures")).style():
        drawing = contrast.draw(gallery, task, axis)
    assert "Initialisations: ImageNet." in drawing.caption and "Filled: " in drawing.caption


def test_captions_state_where_only_the_lowest_seed_is_used(study):
    (task,) = study.tasks
    assert "Where a fold has several seeds, the lowest is used." in similarity_table(study).caption
    for table in (results_table(task, task.condition), pairs_table(study)):  # of all seeds
        assert "lowest" not in table.caption
