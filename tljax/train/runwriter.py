"""Writes a run folder, so that it is at every moment unfinished and resumable, or whole.

`tljax.core.runs` says what lies where, and reads it.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from tljax import weights
from tljax.core import runs
from tljax.core.checkpoint import ResumePoint
from tljax.core.devices import is_writer
from tljax.core.errors import Requeue, UserError
from tljax.core.files import write_csv, write_text
from tljax.datasets import Dataset
from tljax.datasets.folds import PARTS, Fold


class RunWriter:
    """The one process that may write a run folder; the other processes of the same run only resume from it."""

    def __init__(self, folder: Path, tensorboard: bool = False):
        self.folder, self._wants_events = folder, tensorboard
        self._lock = self._events = None

    def __enter__(self) -> "RunWriter":
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if is_writer():
                self._lock = open(self.folder / runs.LOCK, "a+")
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._sign()
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read()
            self._lock.close()
            raise UserError(f"another process is training {self.folder} ({holder}); wait for it, or stop it") from None
        except OSError as error:
            raise UserError(
                f"cannot write run folder {self.folder} ({error.strerror}); choose another --workdir"
            ) from None
        return self

    def __exit__(self, *_: Any) -> None:
        if self._events:
            with suppress(OSError):  # what it holds back is what the disk has refused already
                self._events.close()
        if self._lock:
            self._lock.close()

    def _sign(self) -> None:
        """Who holds the lock, for whom it refuses; the lock itself ends with the process, however that ends."""
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()} on {socket.gethostname()}")
        self._lock.flush()

    def begin(self, description: Mapping[str, Any], data: Dataset, fold: Fold) -> bool:
        """Opens the folder for this run, new or to go on with; True where the run is finished already.

        Raises UserError where the folder holds a run of other settings.
        """
        path = self.folder / runs.CONFIG
        if path.exists():
            _refuse_other_settings(self.folder, self._settings(path), description["must_match"])
        elif is_writer():
            self._write_split(data, fold)
            write_text(path, json.dumps(description, indent=1, default=str) + "\n")
        _meet("begun")
        return (self.folder / runs.RESULT).exists()

    def _settings(self, path: Path) -> dict[str, Any]:
        try:
            return runs.read_json(path).get("must_match", {})
        except UserError as error:
            raise UserError(
                f"{error}; nothing can be said of this run: remove {self.folder}, or move it away"
            ) from error

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
        from tensorboardX.event_file_writer import EventsWriter  # SummaryWriter's thread would die of a full disk alone
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        if self._events is None:
            (self.folder / runs.TENSORBOARD).mkdir(exist_ok=True)
            self._events = EventsWriter(str(self.folder / runs.TENSORBOARD / "events"))
        for name, value in row.items():
            if isinstance(value, float):
                summary = scalar(f"{row['phase']}/{name}", value)
                self._events.write_event(Event(wall_time=time.time(), step=row["epoch"], summary=summary))
        self._events.flush()

    def _write_split(self, data: Dataset, fold: Fold) -> None:
        patients = data.patients or [""] * len(data)
        lines = (
            [data.files[row], data.card.classes[data.labels[row]], patients[row], part]
            for part in PARTS
            for row in getattr(fold, part)
        )
        write_csv(self.folder / runs.SPLIT, runs.SPLIT_COLUMNS, lines)


class StopSignal:
    """SIGTERM, with which schedulers announce pre-emption: before the first epoch it stops the process at once, where
    there is nothing to save; later it is remembered until the epoch is over."""

    _received = _waits = False

    def __enter__(self) -> "StopSignal":
        self._old = None
        if threading.current_thread() is threading.main_thread():
            self._old = signal.signal(signal.SIGTERM, self._receive)
        return self

    def __exit__(self, *_: Any) -> None:
        if self._old is not None:
            signal.signal(signal.SIGTERM, self._old)

    def wait_for_epochs(self) -> None:
        """From now on a signal is only remembered."""
        self._waits = True

    def requested(self) -> bool:
        """Whether any process of the run was told to stop: they all stop after the same epoch."""
        if jax.process_count() == 1:
            return self._received
        from jax.experimental import multihost_utils

        return bool(multihost_utils.process_allgather(np.array(self._received)).any())

    def _receive(self, *_: Any) -> None:
        self._received = True
        if not (self._waits or jax.distributed.is_initialized()):  # one process of several does not stop alone
            raise Requeue("told to stop before the first epoch; run the same command again")


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
