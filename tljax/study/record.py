"""Writes `study.json`: the commands that ran in a study's folder, their settings, and how they ended."""

import json
import platform
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import tljax
from tljax.core import runs
from tljax.core.config import StudyConfig, to_json
from tljax.core.errors import UserError
from tljax.core.files import write_text
from tljax.study.grid import Grid
from tljax.study.planned import PlannedRun
from tljax.study.work import Outcome

STUDY = "study.json"


def record(config: StudyConfig, grid: Grid, command: str, outcomes: Mapping[str, Outcome]) -> None:
    """Writes `study.json`.

    Runs that earlier commands planned and began are still listed as planned, and their failures are listed until the
    work is done. outcomes: those of the work items that have ended in this command, by name.
    """
    old = _old(config)
    planned = dict.fromkeys(str(run.folder.relative_to(config.workdir)) for run in grid.runs)
    others = (path for path in old.get("planned", []) if path not in planned)
    planned |= dict.fromkeys(path for path in list(others) if (config.workdir / path / runs.CONFIG).exists())
    commands = list(dict.fromkeys(filter(None, [*old.get("commands", []), command])))
    facts = {
        "command": next((one for one in commands if "--only" not in one), command),
        "commands": commands,
        "config": to_json(config),
        "runs": len(planned),
        "planned": list(planned),
        "left_out": grid.left_out,
        "failed": _failed(old.get("failed", {}), grid, outcomes),
        "versions": {"tljax": tljax.__version__, "python": platform.python_version()}
        | {name: version(name) for name in ("jax", "flax", "optax", "numpy")},
        "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_text(config.workdir / STUDY, json.dumps(facts, indent=1, default=str) + "\n")


def corrupt(planned: Iterable[PlannedRun]) -> dict[str, str]:
    """Returns the runs with files that cannot be read, and what to do about each."""
    return {
        str(run): f"{run.problem}; remove {run.folder} to train it again" for run in planned if run.status == "corrupt"
    }


def _failed(old: Mapping[str, str], grid: Grid, outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    settled = {str(run) for run in (*grid.pretrain, *grid.runs) if run.finished} | outcomes.keys()
    return {
        **{name: why for name, why in old.items() if name not in settled},
        **{name: outcome.message for name, outcome in outcomes.items() if outcome.status == "failed"},
    }


def _old(config: StudyConfig) -> dict[str, Any]:
    """Returns the content of `study.json`; empty if there is none, or if it cannot be read."""
    path = config.workdir / STUDY
    try:
        return runs.read_json(path) if path.exists() else {}
    except UserError:
        return {}
