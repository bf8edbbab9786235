"""Tables as CSV and LaTeX: figures as printed, and names that try to do harm."""

import csv
import re

import numpy as np
import pytest
from workdirs import write_run

from tljax.report import tables
from tljax.report.figures import Gallery, performance
from tljax.report.gather import gather
from tljax.report.names import p_value, plain
from tljax.report.table import Table, latex
from tljax.report.task import FREEZE, PREPROCESSING
from tljax.statistics import intervals

NASTY = [
    "<script>alert(1)</script>",
    '"quoted", comma',
    r"50%_of $x^2$ & #1 {a}~b\end{table}",
    "größer–日本",
    "=cmd()",
    "a\nb",
]


def test_latex_text_holds_no_command():
    for name in NASTY:
        text = latex(name)
        assert "\n" not in text
        bare = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar)\{\}", "", text)
        bare = re.sub(r"\\[{}$&#_%]", "", bare)
        assert not re.search(r"[\\{}$&#_%~^]", bare.replace("--", "")), text
    assert latex('say "a"') == "say ''a''"  # \\textquotedbl would need another font encoding
    assert latex("a_b & 50 %") == r"a\_b \& 50 \%"
    assert latex("−0.1 ± 2") == r"$-$0.1 $\pm$ 2"


def test_csv_reads_back_and_starts_no_formula(tmp_path):
    rows = [[name, "0.5", "-0.25", "+0.1 to 0.2"] for name in NASTY]
    Table("t", "caption", ["name", "x", "y", "z"], rows).write(tmp_path, "t")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as lines:
        _, *read = list(csv.reader(lines))
    assert [row[0] for row in read] == [name if name != "=cmd()" else "'=cmd()" for name in NASTY]
    assert all(row[1:] == ["0.5", "-0.25", "+0.1 to 0.2"] for row in read)


def test_latex_table_has_as_many_cells_in_every_row():
    table = Table("t", "cap_tion", ["name", "x"], [[name, "1"] for name in NASTY], best=frozenset([0]))
    body = table.latex()
    assert body.count(r"\\") == 1 + len(NASTY)
    assert r"\textbf{\textless{}script" in body and r"\caption{cap\_tion}" in body


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("workdir")
    for fold in (1, 2, 3):
        for seed in (0, 1):
            write_run(workdir, init="imagenet", fold=fold, seed=seed, tag=f"seed{seed}", signal=2.0)
        write_run(workdir, init="random", fold=fold, signal=0.3)
        write_run(workdir, init="imagenet", fold=fold, tag="paper", preprocessing="paper", signal=1.5)
    return gather(workdir)


def test_results_stand_beside_the_published_figures(study):
    (task,) = study.tasks
    table = tables.results(task, task.condition)
    assert [row[0] for row in table.rows] == ["ImageNet", "random"] and table.best == {0}
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    assert cells["published"] == "0.905 ± 0.038"
    assert cells["folds"] == "3"
    assert 0 < float(cells["SD over seeds"]) < 0.2  # seeds apart from folds
    assert cells["AUC, mean ± SD over folds"].startswith(f"{task.mean(task.arms[0]).value:.3f} ± ")


def test_every_table_is_rectangular_and_speaks_of_every_run(study):
    made = tables.all_tables(study)
    for table in [*made["results"], *made["scores"], made["pairs"], made["agreements"], made["cost"], made["runs"]]:
        assert table.rows and all(len(row) == len(table.columns) for row in table.rows)
    assert len(made["runs"].rows) == len(study.runs) == 12
    assert len(made["results"]) == 2  # native and paper preprocessing are two conditions
    assert {row[2] for row in made["agreements"].rows} == {"ImageNet – random"}


def test_the_overview_has_one_order_whichever_leads(tmp_path):
    for fold in (1, 2):
        for task, signals in (("a", (0.3, 2.0)), ("b", (2.0, 0.3))):
            for init, signal in zip(("imagenet", "random"), signals, strict=True):
                write_run(tmp_path, task, init, fold=fold, signal=signal)
    study = gather(tmp_path)
    assert [task.arms[0].init for task in study.tasks] == ["random", "imagenet"]
    assert tables.overview(study).columns == ("task", "start from", "ImageNet", "random")


def test_the_authors_baseline_is_of_imagenet_whichever_does_better(tmp_path):
    for fold in (1, 2):
        write_run(tmp_path, init="imagenet", fold=fold, signal=0.5)
        write_run(tmp_path, init="radimagenet", fold=fold, signal=2.5)
    study = gather(tmp_path)
    (row,) = tables.agreements(study).rows
    cells = dict(zip(tables.agreements(study).columns, row, strict=True))
    assert cells["pair"] == "ImageNet – RadImageNet"
    trials = [trial for trial in study.tasks[0].trials if trial.arm.init == "imagenet"]
    accuracy = np.mean([trial.scores["accuracy"] for trial in trials])
    assert cells["authors' baseline"] == plain(accuracy**2 + (1 - accuracy) ** 2)
    assert cells["published (their baseline)"] == "0.823 (0.740)"


@pytest.mark.parametrize(
    ("axis", "other", "columns"),
    [
        (PREPROCESSING, {"tag": "paper", "preprocessing": "paper"}, ("AUC, native", "AUC, paper preprocessing")),
        (FREEZE, {"freeze": False}, ("AUC, head first", "AUC, all at once")),
    ],
)
def test_two_ways_of_training_are_compared_fold_by_fold(tmp_path, axis, other, columns):
    for fold in (1, 2, 3):
        write_run(tmp_path, init="imagenet", fold=fold, freeze=True, signal=2.0)
        write_run(tmp_path, init="imagenet", fold=fold, **{"freeze": True, "signal": 1.0} | other)
        write_run(tmp_path, init="random", fold=fold, freeze=True)  # in one way only
    (task,) = (study := gather(tmp_path)).tasks
    table = tables.contrasts(study, axis)
    (row,) = table.rows
    cells = dict(zip(table.columns, row, strict=True))
    first, second = (
        task.aucs(next(a for a in task.arms if (a.init, getattr(a.condition, axis.setting)) == ("imagenet", value)))
        for value in axis.values
    )
    expected = intervals.corrected_t(np.array([first[fold] - second[fold] for fold in (1, 2, 3)]), task.test_to_train)
    assert cells["start from"] == "ImageNet" and cells["folds"] == "3"
    assert [cells[column] for column in columns] == [plain(np.mean(list(aucs.values()))) for aucs in (first, second)]
    assert cells["p (t)"] == p_value(expected.p) == cells["p (t, Holm)"]
    assert cells["95 % interval of Δ"] == f"{plain(expected.low)} to {plain(expected.high)}"
    assert cells["condition"] == ("head first, then all layers" if axis is PREPROCESSING else "–")
    with (gallery := Gallery(tmp_path / "figures")).style():
        figure = performance.contrast(gallery, task, axis, ("one way", "the other"))
    assert "filled, one way; open, the other. Initialisations: ImageNet." in figure.caption


def test_captions_say_what_is_of_the_lowest_seed(study):
    (task,) = study.tasks
    for table in (tables.results(task, task.condition), tables.pairs(study), tables.agreements(study)):
        assert "lowest" in table.caption
