"""Completes a finished run: predictions, scores and the kept weights."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np
import scipy.special
from jaxtyping import Array, Float, Int

from tljax import models
from tljax.statistics import metrics
from tljax.train.phases import Phase, Position
from tljax.train.runwriter import RunWriter
from tljax.train.setup import Setup

Predict = Callable[[Int[np.ndarray, " n"]], Float[Array, "n k"]]  # logits of some rows of the data set


def conclude(setup: Setup, writer: RunWriter, phase: Phase, end: Position, predict: Predict) -> None:
    """Predicts the validation and test images with the kept weights and completes the run folder.

    phase, end: the last phase and where it ended.
    """
    epoch = end.selection.epoch
    parts = {
        part: (rows, softmax(jax.device_get(predict(rows))))
        for part, rows in (("val", setup.fold.val), ("test", setup.fold.test))
    }
    writer.predictions(setup.data, parts)
    tensors = models.flatten(setup.network.model)
    card = dataclasses.replace(
        setup.network.card,
        name=f"{setup.config.dataset}-{setup.network.label}",
        format="tljax",
        classes=setup.data.card.classes,
        source=str(writer.folder),
        sha256=models.digest(tensors),
        note=f"fine-tuned from {setup.network.label}, epoch {epoch} by {phase.rule}",
    )
    result = {"epoch": epoch, "select": phase.rule, "seconds": end.seconds}
    labels = setup.data.labels
    result |= {part: final_scores(labels[rows], probabilities) for part, (rows, probabilities) in parts.items()}
    writer.finish(tensors, card, result)


def final_scores(labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n k"]) -> dict[str, float | None]:
    """Returns what `result.json` says of validation or test images; an undefined score is None, which JSON can hold."""
    rules = {"auc": metrics.auc, "auc_keras": metrics.auc_keras, "accuracy": metrics.accuracy}
    values = {name: float(score(labels, probabilities)) for name, score in rules.items()}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def softmax(logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Returns class probabilities in float64."""
    return scipy.special.softmax(logits.astype(np.float64), axis=1)
