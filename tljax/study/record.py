"""`study.json`: what a study was told to do, and what became of it, over all the commands that worked in its folder."""

import json
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import tljax
from tljax.core import runs
from tljax.core.config import StudyConfig, to_json
from tljax.core.errors import UserError
from tljax.core.files import write_text
from tljax.study.cell import Cell
from tljax.study.grid import Grid
from tljax.study.units import Outcome

STUDY = "study.json"


def record(config: StudyConfig, grid: Grid, command: str, outcomes: Mapping[str, Outcome]) -> None:
    """Writes it. What earlier commands planned and began stays planned, what failed for them failed until it is done.

    outcomes: of the units that this command has ended so far, by name.
    """
    old = _old(config)
    planned = [str(cell.folder.relative_to(config.workdir)) for cell in grid.cells]
    begun = [path for path in old.get("planned", []) if (config.workdir / path / runs.CONFIG).exists()]
    planned += [path for path in begun if path not in planned]
    commands = list(dict.fromkeys(filter(None, [*old.get("commands", []), command])))
    facts = {
        "command": next((one for one in commands if "--only" not in one), command),
        "commands": commands,
        "config": to_json(config),
        "runs": len(planned),
        "planned": planned,
        "left_out": grid.left_out,
        "failed": _failed(old.get("failed", {}), grid, outcomes),
        "versions": {"tljax": tljax.__version__, "python": platform.python_version()}
        | {name: version(name) for name in ("jax", "flax", "optax", "numpy")},
        "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    write_text(config.workdir / STUDY, json.dumps(facts, indent=1, default=str) + "\n")


def corrupt(cells: list[Cell]) -> dict[str, str]:
    """The runs of which something cannot be read, with what to do."""
    return {
        str(cell): f"{cell.problem}; remove {cell.folder} to train it anew"
        for cell in cells
        if cell.status == "corrupt"
    }


def _failed(old: Mapping[str, str], grid: Grid, outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    settled = {str(cell) for cell in (*grid.pretrain, *grid.cells) if cell.finished} | outcomes.keys()
    return {
        **{name: why for name, why in old.items() if name not in settled},
        **{name: outcome.message for name, outcome in outcomes.items() if outcome.status == "failed"},
    }


def _old(config: StudyConfig) -> dict[str, Any]:
    """What stands there; nothing where it cannot be read, which is written anew."""
    path = config.workdir / STUDY
    try:
        return runs.read_json(path) if path.exists() else {}
    except UserError:
        return {}
