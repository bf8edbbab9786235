"""Describes the phases of a run, the selection of an epoch, and the position that a checkpoint records."""

import dataclasses
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from tljax.core.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of training with one learning rate and one set of trained parameters."""

    scope: str  # what is trained; also the phase's name
    epochs: int
    learning_rate: float
    monitor: str | None  # the score by which epochs are ranked and training stops early; None: never
    patience: int
    keep: Literal["best", "last"]  # the epoch whose weights are kept
    warmup_epochs: int = 0
    weight_decay: float = 0.0

    @property
    def rule(self) -> str:
        """The rule by which weights are kept, as `result.json` records it: val_auc, val_loss, val_accuracy or last."""
        return self.monitor if self.keep == "best" and self.monitor else "last"

    def exhausted(self, epoch: int, selection: "Selection") -> bool:
        """Returns whether the score has not risen for `patience` epochs."""
        return self.monitor is not None and epoch - selection.risen >= self.patience


@dataclasses.dataclass
class Selection:
    """The epoch of a phase whose weights are kept."""

    epoch: int = 0
    score: float = -float("inf")
    loss: float = float("inf")  # breaks ties, which are common with few validation images
    risen: int = 0  # the epoch of the last higher score, from which patience counts; a tie does not count

    def offer(self, row: dict[str, Any], phase: Phase) -> bool:
        """Selects an epoch by its scores if it is better than the last selected one; returns whether it is."""
        score = _score(row, phase.monitor)
        if score > self.score:
            self.risen = row["epoch"]
        better = (score, -row["val_loss"]) > (self.score, -self.loss)
        if better:
            self.score, self.loss = score, row["val_loss"]
        if better or phase.keep == "last":
            self.epoch = row["epoch"]
        return self.epoch == row["epoch"]


def _score(row: dict[str, Any], monitor: str | None) -> float:
    """Returns the monitored score, where higher is better; the number of the epoch if nothing is monitored."""
    if monitor is None:
        return float(row["epoch"])
    return -row["val_loss"] if monitor == "val_loss" else row[monitor]


@dataclasses.dataclass
class Position:
    """The progress of a run. A checkpoint holds it and the arrays."""

    phase: int = 0  # its place in the plan
    epoch: int = 0  # epochs of this phase that are done
    rows: int = 0  # epochs of all phases: lines of metrics.jsonl
    seconds: float = 0.0  # of these epochs
    selection: Selection = dataclasses.field(default_factory=Selection)

    @classmethod
    def found(cls, facts: dict[str, Any] | None) -> "Position":
        """Returns the position that a checkpoint recorded, or the beginning."""
        if not facts:
            return cls()
        values: dict[str, Any] = facts | {"selection": Selection(**facts["selection"])}
        return cls(**values)


def plan(config: TrainConfig, val_labels: Int[np.ndarray, " n"]) -> list[Phase]:
    """Returns the phases in order. val_labels: the classes of the validation images.

    If they are all of one class, the validation AUC is undefined: the validation loss then selects the epochs.
    """
    select = config.select
    if select == "val_auc" and len(np.unique(val_labels)) < 2:
        select = "val_loss"
    main = Phase(
        scope=config.train,
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        monitor=None if select == "last" else select,
        patience=config.patience,
        keep="last" if select == "last" else "best",
        warmup_epochs=config.warmup_epochs,
        weight_decay=config.weight_decay,
    )
    if not config.freeze:
        return [main]
    head = Phase(
        scope="head",
        epochs=config.head_epochs,
        learning_rate=config.head_learning_rate,
        monitor="val_accuracy",
        patience=config.head_patience,
        keep="last" if config.head_select == "last" else "best",
    )
    return [head, main]
