"""Writes a run folder. At every moment it is either resumable or complete.

`tljax.core.runs` names its files and reads them.
"""

import json
import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from tljax import weights
from tljax.core import runs
from tljax.core.checkpoint import ResumePoint
from tljax.core.config import completed
from tljax.core.devices import is_writer, meet
from tljax.core.errors import UserError
from tljax.core.files import write_csv, write_text
from tljax.core.locks import Held, exclusive
from tljax.core.predictions import PREDICTION_COLUMNS, class_columns
from tljax.datasets import Dataset
from tljax.datasets.folds import PARTS, Fold


class RunWriter:
    """Writes a run folder in one process; the other processes of the same run only resume from it."""

    def __init__(self, folder: Path, tensorboard: bool = False):
        self.folder, self._wants_events = folder, tensorboard
        self._open, self._events = ExitStack(), None

    def __enter__(self) -> "RunWriter":
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if is_writer():
                self._open.enter_context(exclusive(self.folder / runs.LOCK))
        except Held as holder:
            raise UserError(f"{holder} is training {self.folder}; wait for it, or stop it") from None
        except OSError as error:
            raise UserError(
                f"cannot write run folder {self.folder} ({error.strerror}); choose another --workdir"
            ) from None
        return self

    def __exit__(self, *_: Any) -> None:
        if self._events:
            with suppress(OSError):  # it writes its buffer to a disk that may be full
                self._events.close()
        self._open.close()

    def begin(self, description: Mapping[str, Any], data: Dataset, fold: Fold) -> bool:
        """Opens the folder for this run, new or to continue it; returns whether the run is finished.

        Raises UserError if the folder holds a run of other settings, or one that cannot be continued.
        """
        path, finished = self.folder / runs.CONFIG, (self.folder / runs.RESULT).exists()
        known = path.exists()
        if known:
            facts = self._recorded(path)
            _refuse_other_settings(self.folder, facts.get("must_match", {}), description["must_match"])
            known = finished or facts.get("format", 1) == runs.FORMAT
            if not known:
                self._refuse_to_continue()
        if not known and is_writer():
            self._write_split(data, fold)
            write_text(path, json.dumps(description, indent=1, default=str) + "\n")
        meet("begun")
        return finished

    def _recorded(self, path: Path) -> dict[str, Any]:
        try:
            return runs.read_json(path)
        except UserError as error:
            raise UserError(f"{error}; the settings of this run are lost: remove {self.folder}, or move it") from error

    def _refuse_to_continue(self) -> None:
        """Raises UserError if an earlier version of tljax saved a state here: it would end in other weights."""
        resume = self.folder / runs.RESUME
        if resume.is_dir() and any(child.name.isdigit() for child in resume.iterdir()):
            raise UserError(
                f"{self.folder} is an unfinished run of an earlier tljax, whose Adam added epsilon in another place; "
                "remove the folder to train it from the beginning, or finish it with that version"
            )

    def resume_point(self, seconds: float) -> ResumePoint:
        """Returns the state from which the run continues. seconds: shortest time between two saves."""
        return ResumePoint(self.folder / runs.RESUME, seconds)

    def keep_epochs(self, count: int) -> None:
        """Removes the lines of epochs that came after the checkpoint from which the run continues."""
        if is_writer():
            path = self.folder / runs.METRICS
            lines = path.read_text().splitlines(keepends=True)[:count] if path.exists() else []
            write_text(path, "".join(lines))

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Appends the line of an epoch; NaN, an undefined score, becomes null."""
        if is_writer():
            clean = {key: None if value != value else value for key, value in row.items()}
            with open(self.folder / runs.METRICS, "a") as lines:
                lines.write(json.dumps(clean) + "\n")
            if self._wants_events:
                self._add_events(clean)

    def predictions(
        self, data: Dataset, parts: Mapping[str, tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n k"]]]
    ) -> None:
        """Writes the predictions. parts: for `val` and `test`, the rows and their class probabilities."""
        header = [*PREDICTION_COLUMNS, *class_columns(data.card.classes, PREDICTION_COLUMNS)]
        lines = (
            [data.files[row], data.card.classes[data.labels[row]], part, *(f"{p:.9g}" for p in values)]
            for part, (rows, probabilities) in parts.items()
            for row, values in zip(rows, probabilities, strict=True)
        )
        if is_writer():
            write_csv(self.folder / runs.PREDICTIONS, header, lines)

    def finish(self, tensors: Mapping[str, np.ndarray], card: weights.WeightsCard, result: Mapping[str, Any]) -> None:
        """Writes the kept weights, then the result, which makes the run finished, and removes the resume state."""
        if is_writer():
            weights.save(self.folder / runs.CHECKPOINT, tensors, card, overwrite=True)
            write_text(self.folder / runs.RESULT, json.dumps(result, indent=1) + "\n")
            shutil.rmtree(self.folder / runs.RESUME, ignore_errors=True)
        meet("finished")

    def _add_events(self, row: Mapping[str, Any]) -> None:
        from tensorboardX.event_file_writer import EventsWriter  # SummaryWriter's thread would hide a full disk
        from tensorboardX.proto import event_pb2
        from tensorboardX.summary import scalar

        make_event: Any = vars(event_pb2)["Event"]  # made at run time by protobuf

        if self._events is None:
            (self.folder / runs.TENSORBOARD).mkdir(exist_ok=True)
            self._events = EventsWriter(str(self.folder / runs.TENSORBOARD / "events"))
        for name, value in row.items():
            if isinstance(value, float):
                summary = scalar(f"{row['phase']}/{name}", value)
                self._events.write_event(make_event(wall_time=time.time(), step=row["epoch"], summary=summary))
        self._events.flush()

    def _write_split(self, data: Dataset, fold: Fold) -> None:
        patients = data.patients or [""] * len(data)
        lines = (
            [data.files[row], data.card.classes[data.labels[row]], patients[row], part]
            for part in PARTS
            for row in getattr(fold, part)
        )
        write_csv(self.folder / runs.SPLIT, runs.SPLIT_COLUMNS, lines)


def _refuse_other_settings(folder: Path, recorded: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    new = json.loads(json.dumps(new, default=str))
    old = runs.with_present_names(completed(recorded))
    differing = [
        f"{key.replace('_', ' ')} was {old.get(key)}, is now {new.get(key)}"
        for key in sorted(recorded.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    if differing:
        raise UserError(
            f"{folder} holds a run of other settings ({'; '.join(differing)}); "
            "give this one another --tag or --workdir, or remove that folder"
        )
