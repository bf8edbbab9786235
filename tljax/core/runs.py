"""Reads run folders, without jax, and defines the names of their files.

    <workdir>/<task>/<init>-<freeze|nofreeze>[-<tag>]/fold<k>/

A run is finished if `result.json` exists, which is written last. A run with a file that cannot be read is `corrupt`:
its reason is stated, and the other runs are still read.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tljax.core.errors import UserError
from tljax.core.predictions import Predictions, read_csv, read_predictions

CONFIG = "config.json"
SPLIT = "split.csv"
METRICS = "metrics.jsonl"
PREDICTIONS = "predictions.csv"
RESULT = "result.json"
CHECKPOINT = "checkpoint"
RESUME = "resume"
TENSORBOARD = "tensorboard"
LOCK = ".lock"
SEED_TAG = re.compile(r"seed\d+")  # the part of a tag that `seed_tag` returns

FORMAT = 2
"""The format of run folders, in `config.json`. In format 1 (or without a number), Adam added epsilon after the bias
correction instead of before it as in Keras."""

SPLIT_COLUMNS = ("file", "label", "patient", "split")

RENAMED = {"folds": {"honest": "grouped"}}
"""Setting -> value that earlier versions recorded -> its current name."""

_FREEZE = re.compile(r"-(no)?freeze(?=-|$)")
_FOLD = re.compile(r"fold(\d+)")

Status = Literal["finished", "unfinished", "corrupt"]


def run_folder(workdir: Path, task: str, init: str, freeze: bool, fold: int, tag: str = "") -> Path:
    """Returns the folder of a run."""
    variant = f"{init}-{'freeze' if freeze else 'nofreeze'}" + (f"-{tag}" if tag else "")
    return Path(workdir) / task / variant / f"fold{fold}"


def seed_tag(seed: int) -> str:
    """Returns the part of a folder's tag that names its seed; empty for seed 0."""
    return f"seed{seed}" if seed else ""


@dataclass(frozen=True)
class SplitRow:
    """One image of a fold; `patient` is empty if patients are unknown."""

    file: str
    label: str
    patient: str
    split: str


@dataclass(frozen=True)
class Run:
    """One run folder. Its files are read on first use; a `UserError` names a file that cannot be read."""

    path: Path
    task: str
    init: str
    freeze: bool
    tag: str
    fold: int

    @property
    def status(self) -> Status:
        """Whether the run is `finished`, `unfinished` or `corrupt`, at the first time that this is asked for."""
        return self._state[0]

    @property
    def problem(self) -> str:
        """Why the run is `corrupt` or `unfinished`."""
        return self._state[1]

    @cached_property
    def _state(self) -> tuple[Status, str]:
        if not _ways_to_read(self.path.parent.name) or not _FOLD.fullmatch(self.path.name):
            return "corrupt", f"{self.path} is not named <init>-<freeze|nofreeze>[-<tag>]/fold<k>"
        try:
            if not self.config:
                return "unfinished", f"{CONFIG} is missing"
            if not (self.path / RESULT).exists():
                return "unfinished", f"stopped after {len(self.metrics)} epochs"
            if absent := [part for part in ("test", "val") if "auc" not in (self.result.get(part) or {})]:
                return "corrupt", f"{self.path / RESULT} holds no scores of {' and '.join(absent)}"
            _ = self.metrics, self.predictions, self.split
        except UserError as error:
            return "corrupt", str(error)
        return "finished", ""

    @cached_property
    def config(self) -> dict[str, Any]:
        """The facts before training: settings, cards, classes, versions, devices. Empty if the file is missing."""
        return read_json(self.path / CONFIG) if (self.path / CONFIG).exists() else {}

    @property
    def settings(self) -> dict[str, Any]:
        """The `TrainConfig` as JSON values, with the current names of the settings."""
        return with_present_names(self.config.get("config") or {})

    @cached_property
    def result(self) -> dict[str, Any]:
        """The selected epoch, scores and seconds. Empty if the run is unfinished."""
        return read_json(self.path / RESULT) if (self.path / RESULT).exists() else {}

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """One dictionary per epoch. An incomplete last line, as a killed process may leave, is skipped."""
        if not (self.path / METRICS).exists():
            return []
        lines = _read_text(self.path / METRICS).splitlines(keepends=True)
        rows = []
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                if number < len(lines) or line.endswith("\n"):
                    raise UserError(f"{self.path / METRICS}, line {number} is not JSON ({error.msg})") from None
            else:
                if not isinstance(rows[-1], dict):
                    raise UserError(f"{self.path / METRICS}, line {number} is not an object")
        return rows

    @cached_property
    def predictions(self) -> Predictions:
        """The probabilities of the validation and test images."""
        return read_predictions(self.path / PREDICTIONS)

    @cached_property
    def split(self) -> list[SplitRow]:
        """Every image of the fold: train, val and test."""
        header, rows = read_csv(self.path / SPLIT)
        if tuple(header) != SPLIT_COLUMNS:
            raise UserError(f"{self.path / SPLIT} has the columns {header}; expected {list(SPLIT_COLUMNS)}")
        return [SplitRow(*row) for row in rows]


def with_present_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings that an earlier version may have recorded, with the current names of values."""
    return {name: RENAMED[name].get(value, value) if name in RENAMED else value for name, value in settings.items()}


def iterate_runs(workdir: Path) -> Iterator[Run]:
    """Yields every run of a workdir one by one, in no particular order.

    The runs of a large study need not fit in memory. Raises UserError if `workdir` is not a folder.
    """
    workdir = Path(workdir)
    if not workdir.is_dir():
        raise UserError(f"{workdir} is not a folder; name the --workdir of trainings or of a study")
    for folder in workdir.glob("*/*/fold*"):
        fold = _FOLD.fullmatch(folder.name)
        if fold and folder.is_dir():
            yield read_run(folder)


def read_run(folder: Path) -> Run:
    """Returns the run in a folder. Damaged files raise no error, but make the run `corrupt`."""
    folder = Path(folder)
    init, freeze, tag = _parts_of(folder)
    fold = _FOLD.fullmatch(folder.name)
    return Run(folder, folder.parent.parent.name, init, freeze, tag, int(fold[1]) if fold else 0)


def run_at(path: Path) -> Run | None:
    """Returns the run whose folder, or whose weights, are at `path`; None if there is no run."""
    folder = path.parent if path.name == CHECKPOINT else path
    return read_run(folder) if (folder / CONFIG).is_file() else None


def _parts_of(folder: Path) -> tuple[str, bool, str]:
    """Returns initialisation, freeze and tag of a run folder.

    An initialisation such as `net-freeze-all` can be read in several ways. The settings of the run then decide.
    """
    variant = folder.parent.name
    ways = _ways_to_read(variant) or [(variant, False, "")]
    if len(ways) == 1:
        return ways[0]
    try:
        settings = read_json(folder / CONFIG)["config"]
        freeze, tag = settings["freeze"], str(settings["tag"])
    except (UserError, KeyError, TypeError):
        return ways[0]
    fitting = [way for way in ways if way[1] == freeze and way[2].endswith(tag)]
    return min(fitting, key=lambda way: len(way[2]), default=ways[0])


def _ways_to_read(variant: str) -> list[tuple[str, bool, str]]:
    """Returns every initialisation, freeze and tag from which `run_folder` makes this name."""
    return [
        (variant[: found.start()], not found[1], variant[found.end() + 1 :])
        for found in _FREEZE.finditer(variant)
        if found.start()
    ]


def read_json(path: Path) -> dict[str, Any]:
    """Reads the object in a JSON file. Raises UserError if the file does not hold one."""
    try:
        content = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON ({error.msg}, line {error.lineno})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} does not hold a JSON object")
    return content


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except (UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} cannot be read ({error})") from None
