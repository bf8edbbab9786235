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
