"""Where the results come from: hashes of data, weights and code, and the commands that repeat the study."""

import hashlib
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import tljax
from tljax.core.config import DISPLAY_AND_PROCESSES, TrainConfig, to_json
from tljax.report.analysis.study import Study
from tljax.report.wording.names import init_name


def hashes(study: Study) -> list[tuple[str, str]]:
    """Returns what was hashed and its hash: the data of each task, the initial weights, and the code of this report."""
    found: dict[str, str] = {}
    for trial in study.trials:
        recorded = trial.run.facts.get("hashes", {})
        if recorded.get("data"):
            found[f"data of {trial.run.task}"] = str(recorded["data"])
        if recorded.get("weights"):
            found[f"weights of {init_name(trial.arm.init)}"] = str(recorded["weights"])
    found["code of tljax that wrote this report"] = code_hash()
    return list(found.items())


@cache
def code_hash() -> str:
    """Returns the SHA-256 of every source file of the package, by name and content."""
    root = Path(tljax.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def commands(study: Study) -> list[str]:
    """Returns the commands that repeat the study: its own in their order, or one for each run."""
    recorded: Any = study.settings.get("commands") or [study.settings.get("command")]
    if isinstance(recorded, list) and any(recorded):
        return [command if isinstance(command, str) else shlex.join(map(str, command)) for command in recorded]
    return [_train_command(trial.run.settings) for trial in study.trials]


def _train_command(settings: Mapping[str, Any]) -> str:
    """Returns the command of a run, with every setting that differs from its default."""
    words = ["python", "-m", "tljax.train"]
    for name, default in to_json(TrainConfig()).items():
        value = settings.get(name, default)
        needed = value != default or name in ("dataset", "init", "fold", "seed")
        if name in DISPLAY_AND_PROCESSES or value is None or not needed:
            continue
        flag = name.replace("_", "-")
        words += [f"--{flag}" if value else f"--no-{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return shlex.join(words)
