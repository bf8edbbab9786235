"""Reads which networks the screening of a task has selected, and screens first if the grid depends on it."""

import csv
import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

from tljax.core.config import StudyConfig
from tljax.core.errors import UserError
from tljax.study.checks import SHORTLIST, checked
from tljax.weights import networks

FOLDER = "screening"
SHARED = ("data_dir", "folds_dir", "weights_dir", "cache_dir", "folds", "image_size", "backbone", "variant")


def folder_of(workdir: Path, task: str) -> Path:
    """Returns the folder of a task's screening."""
    return workdir / FOLDER / task


def settings_of(config: StudyConfig, task: str) -> dict[str, Any]:
    """Returns the settings of ScreenConfig with which a task of a study is screened."""
    run = dataclasses.replace(config.train, **config.overrides.get(task, {}))
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


def shortlisted(workdir: Path, task: str) -> list[tuple[str, str, None, dict[str, str]]]:
    """Returns the initialisations on the shortlist of a task.

    Each is (value for --init, label, None instead of a source run, settings of TrainConfig). Raises UserError if the
    task has not been screened.
    """
    folder = folder_of(workdir, task)
    try:
        kept = [row["network"] for row in _rows(folder / "shortlist.csv")]
        facts = {row["network"]: row for row in _rows(folder / "cost.csv")}
        found = []
        for name in kept:
            spec, settings = facts[name]["spec"], {}
            if networks.is_random(spec):
                settings = {"backbone": facts[name]["backbone"], "variant": facts[name]["variant"]}
                settings |= {} if name == spec else {"tag": facts[name]["backbone"]}
            found.append((spec, networks.label(spec), None, settings))
        return found
    except (OSError, KeyError) as error:
        raise UserError(
            f"{task} has no shortlist in {folder} yet; run the study without --dry-run, or screen it with: "
            f"tljax screen --dataset {task} --out {folder}"
        ) from error


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
