"""Reads which networks the screening of a task has selected, and screens first if the grid depends on it."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tljax.core.config import StudyConfig
from tljax.core.errors import UserError
from tljax.core.files import read_csv
from tljax.study.checks import SHORTLIST, checked, settings_of_task
from tljax.weights import networks

FOLDER = "screening"
SHARED = ("data_dir", "folds_dir", "weights_dir", "cache_dir", "folds", "image_size", "backbone", "variant")


def folder_of(workdir: Path, task: str) -> Path:
    """Returns the folder of a task's screening."""
    return workdir / FOLDER / task


def settings_of(config: StudyConfig, task: str) -> dict[str, Any]:
    """Returns the settings of ScreenConfig with which a task of a study is screened."""
    run = settings_of_task(config, task)
    shared = {name: getattr(run, name) for name in (*SHARED, "group_duplicates", "skip_bad")}
    return {
        "dataset": task,
        "out": folder_of(config.workdir, task),
        "preprocessing": config.preprocessings[0],
        **shared,
    }


def screen_first(config: StudyConfig) -> None:
    """Screens every task in a separate process, if the shortlists determine the runs.

    Raises UserError if a screening fails; its own message says why.
    """
    config = checked(config)
    if config.inits != (SHORTLIST,):
        return
    for task in config.tasks:
        if not (folder_of(config.workdir, task) / "shortlist.csv").exists():
            command = [sys.executable, "-m", "tljax.screen"]
            for name, value in settings_of(config, task).items():
                flag = f"--{name.replace('_', '-')}"
                if isinstance(value, bool):
                    command += [flag] if value else []
                elif value is not None:
                    command += [flag, str(value)]
            if subprocess.run(command, check=False).returncode:
                raise UserError(f"the screening of {task} failed, so its shortlist is not known")


class Selected(NamedTuple):
    """An initialisation on a shortlist."""

    spec: str
    """The value for --init."""
    label: str
    settings: dict[str, str]
    """Settings of TrainConfig that belong to it: the architecture of random weights."""


def shortlisted(workdir: Path, task: str) -> list[Selected]:
    """Returns the initialisations on the shortlist of a task. Raises UserError if the task has not been screened."""
    folder = folder_of(workdir, task)
    try:
        kept = [row["network"] for row in read_csv(folder / "shortlist.csv")]
        facts = {row["network"]: row for row in read_csv(folder / "cost.csv")}
        return [_selected(name, facts[name]) for name in kept]
    except (OSError, KeyError) as error:
        raise UserError(
            f"{task} has no shortlist in {folder} yet; run the study without --dry-run, or screen it with: "
            f"tljax screen --dataset {task} --out {folder}"
        ) from error


def _selected(name: str, facts: Mapping[str, str]) -> Selected:
    spec, settings = facts["spec"], {}
    if networks.is_random(spec):
        settings = {"backbone": facts["backbone"], "variant": facts["variant"]}
        settings |= {} if name == spec else {"tag": facts["backbone"]}
    return Selected(spec, networks.label(spec), settings)
