"""The output of a study at its end."""

import shlex
from pathlib import Path

from tljax.core.config import StudyConfig
from tljax.core.files import write_csv
from tljax.study.plan import RESULTS
from tljax.study.summary import show_results


def test_the_command_for_the_report_can_be_pasted_whatever_the_folder_is_called(tmp_path, capsys):
    workdir = tmp_path / "my first study (draft)"
    (workdir / RESULTS).mkdir(parents=True)
    header = ["task", "init", "path", "status", "auc", "auc_keras", "accuracy"]
    write_csv(
        workdir / RESULTS / "runs.csv",
        header,
        [["breast", "random", "breast/random-nofreeze/fold1", "finished", 0.7, 0.7, 0.6]],
    )
    write_csv(workdir / RESULTS / "representations.csv", ["measure", "flag"], [])
    show_results(StudyConfig(workdir=workdir))
    printed = " ".join(capsys.readouterr().out.split())
    command = printed.partition("report ")[2].partition("  ->")[0].partition(" -> ")[0]
    assert Path(shlex.split(command)[-1]).name == workdir.name


def test_layers_whose_similarity_is_flagged_are_named(tmp_path, capsys):
    (tmp_path / RESULTS).mkdir()
    header = ["task", "init", "path", "status", "auc", "auc_keras", "accuracy"]
    run = ["breast", "random", "breast/random-nofreeze/fold1", "finished", 0.7, 0.7, 0.6]
    write_csv(tmp_path / RESULTS / "runs.csv", header, [run])
    header = ["task", "model1", "model2", "protocol", "measure", "layer1", "value", "flag"]
    pair = ["breast", "random-nofreeze", "random", "full", "cca"]
    rows = [[*pair, "conv1", 0.9, ""], [*pair, "block4", 1.0, "too few samples"]]
    write_csv(tmp_path / RESULTS / "representations.csv", header, rows)
    show_results(StudyConfig(workdir=tmp_path))
    printed = capsys.readouterr().out
    assert "0.900" in printed and "1.000" not in printed
    assert "not shown: block4 (too few samples)" in printed
