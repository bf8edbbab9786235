"""The phases of a run, the selection of an epoch, and the position that a checkpoint records."""

import dataclasses
from typing import Any

import numpy as np

from tljax.core.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of training with one learning rate and one set of trained parameters."""

    scope: str  # what is trained, and the phase's name
    epochs: int
    patience: int
    learning_rate: float
    select: str  # the score that keeps an epoch: val_auc, val_loss, val_accuracy or last

    def exhausted(self, epoch: int, selection: "Selection") -> bool:
        """Whether the phase has gone too long without a better epoch."""
        return self.select != "last" and epoch - selection.risen >= self.patience


@dataclasses.dataclass
class Selection:
    """Which epoch of a phase is the best so far."""

    epoch: int = 0
    score: float = -float("inf")
    loss: float = float("inf")  # settles ties, which are common on few validation images
    risen: int = 0  # the epoch of the last better score, from which patience counts: a tie is no improvement

    def offer(self, row: dict[str, Any], rule: str) -> bool:
        """Takes this epoch if it is better; whether it was."""
        score = {"last": row["epoch"], "val_loss": -row["val_loss"]}.get(rule, row.get(rule))
        score = 0.0 if np.isnan(score) else score  # an AUC of one class alone: the loss decides
        if score > self.score:
            self.risen = row["epoch"]
        better = (score, -row["val_loss"]) > (self.score, -self.loss)
        if better:
            self.epoch, self.score, self.loss = row["epoch"], score, row["val_loss"]
        return better


@dataclasses.dataclass
class Position:
    """How far a run has come; with the arrays, all that a checkpoint holds."""

    phase: int = 0  # its place in the plan
    epoch: int = 0  # epochs of this phase that are done
    rows: int = 0  # epochs of all phases, a row of metrics.jsonl each
    seconds: float = 0.0  # that they took
    selection: Selection = dataclasses.field(default_factory=Selection)

    @classmethod
    def found(cls, facts: dict[str, Any] | None) -> "Position":
        """The one that a checkpoint recorded, or the beginning."""
        return cls(**facts | {"selection": Selection(**facts["selection"])}) if facts else cls()


def plan(config: TrainConfig) -> list[Phase]:
    """The phases, in their order."""
    main = Phase(config.train, config.epochs, config.patience, config.learning_rate, config.select)
    if not config.freeze:
        return [main]
    head = Phase("head", config.head_epochs, config.head_patience, config.head_learning_rate, "val_accuracy")
    return [head, main]
