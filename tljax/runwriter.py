"""Writes a run folder, so that it is at every moment unfinished and resumable, or whole.

`tljax.runs` says what lies where, and reads it.
"""

import fcntl
import json
import shutil
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from tljax import runs, weights
from tljax.checkpoint import ResumePoint
from tljax.datasets import Dataset
from tljax.devices import is_writer
from tljax.errors import UserError
from tljax.files import write_csv, write_text
from tljax.folds import PARTS, Fold


class RunWriter:
    """The one process that may write a run folder; the other processes of the same run only resume from it."""

    def __init__(self, folder: Path, tensorboard: bool = False):
        self.folder, self._wants_events = folder, tensorboard
        self._lock = self._events = None

    def __enter__(self) -> "RunWriter":
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if is_writer():
                self._lock = open(self.folder / runs.LOCK, "w")
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise UserError(f"another process is training {self.folder}; wait for it, or stop it") from None
        except OSError as error:
            raise UserError(
                f"cannot write run folder {self.folder} ({error.strerror}); choose another --workdir"
            ) from None
        return self

    def __exit__(self, *_: Any) -> None:
        if self._events:
            self._events.close()
        if self._lock:
            self._lock.close()

    def begin(self, description: Mapping[str, Any], data: Dataset, fold: Fold) -> bool:
        """Opens the folder for this run, new or to go on with; True where the run is finished already.

        Raises UserError where the folder holds a run of other settings.
        """
        path = self.folder / runs.CONFIG
        if path.exists():
            _refuse_other_settings(self.folder, runs.read_json(path).get("must_match", {}), description["must_match"])
        elif is_writer():
            self._write_split(data, fold)
            write_text(path, json.dumps(description, indent=1, default=str) + "\n")
        _meet("begun")
        return (self.folder / runs.RESULT).exists()

    def resume_point(self) -> ResumePoint:
        return ResumePoint(self.folder / runs.RESUME)

    def keep_epochs(self, count: int) -> None:
        """Drops the lines of epochs that came after the checkpoint from which the run goes on."""
        if is_writer():
            path = self.folder / runs.METRICS
            lines = path.read_text().splitlines(keepends=True)[:count] if path.exists() else []
            write_text(path, "".join(lines))

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Appends an epoch's line. NaN, where a score is undefined, becomes null."""
        if is_writer():
            clean = {key: None if value != value else value for key, value in row.items()}
            with open(self.folder / runs.METRICS, "a") as lines:
                lines.write(json.dumps(clean) + "\n")
            if self._wants_events:
                self._add_events(clean)

    def predictions(
        self, data: Dataset, parts: Mapping[str, tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n k"]]]
    ) -> None:
        """parts: for `val` and `test`, the rows and their class probabilities."""
        header = [*runs.PREDICTION_COLUMNS, *data.card.classes]
        lines = (
            [data.files[row], data.card.classes[data.labels[row]], part, *(f"{p:.9g}" for p in values)]
            for part, (rows, probabilities) in parts.items()
            for row, values in zip(rows, probabilities, strict=True)
        )
        if is_writer():
            write_csv(self.folder / runs.PREDICTIONS, header, lines)

    def finish(self, tensors: Mapping[str, np.ndarray], card: weights.WeightsCard, result: Mapping[str, Any]) -> None:
        """The selected weights, then the result, which makes the run a finished one, then away with what resumed it."""
        if is_writer():
            weights.save(self.folder / runs.CHECKPOINT, tensors, card, overwrite=True)
            write_text(self.folder / runs.RESULT, json.dumps(result, indent=1) + "\n")
            shutil.rmtree(self.folder / runs.RESUME, ignore_errors=True)
        _meet("finished")

    def _add_events(self, row: Mapping[str, Any]) -> None:
        if self._events is None:
            from tensorboardX import SummaryWriter

            self._events = SummaryWriter(str(self.folder / runs.TENSORBOARD))
        for name, value in row.items():
            if isinstance(value, float):
                self._events.add_scalar(f"{row['phase']}/{name}", value, row["epoch"])

    def _write_split(self, data: Dataset, fold: Fold) -> None:
        patients = data.patients or [""] * len(data)
        lines = (
            [data.files[row], data.card.classes[data.labels[row]], patients[row], part]
            for part in PARTS
            for row in getattr(fold, part)
        )
        write_csv(self.folder / runs.SPLIT, runs.SPLIT_COLUMNS, lines)


class StopSignal:
    """Remembers SIGTERM, with which schedulers announce pre-emption, until the epoch is over."""

    _received = False

    def __enter__(self) -> "StopSignal":
        self._old = None
        if threading.current_thread() is threading.main_thread():
            self._old = signal.signal(signal.SIGTERM, self._receive)
        return self

    def __exit__(self, *_: Any) -> None:
        if self._old is not None:
            signal.signal(signal.SIGTERM, self._old)

    def requested(self) -> bool:
        """Whether any process of the run was told to stop: they all stop after the same epoch."""
        if jax.process_count() == 1:
            return self._received
        from jax.experimental import multihost_utils

        return bool(multihost_utils.process_allgather(np.array(self._received)).any())

    def _receive(self, *_: Any) -> None:
        self._received = True


def _refuse_other_settings(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    new = json.loads(json.dumps(new, default=str))
    differing = [
        f"{key.replace('_', ' ')} was {old.get(key)}, is now {new.get(key)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    if differing:
        raise UserError(
            f"{folder} holds a run of other settings ({'; '.join(differing)}); "
            "give this one another --tag or --workdir, or remove that folder"
        )


def _meet(where: str) -> None:
    """All processes wait here for each other."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(where)
