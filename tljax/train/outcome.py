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

Parts = dict[str, tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n k"]]]  # of each part: rows and probabilities
Predict = Callable[[Int[np.ndarray, " n"]], Float[Array, "n k"]]  # logits of some rows of the data set


def conclude(
    setup: Setup, writer: RunWriter, phase: Phase, end: Position, predict: Predict, predict_last: Predict
) -> None:
    """Predicts the validation and test images with the kept weights and completes the run folder.

    phase, end: the last phase and where it ended. predict_last: predicts with the weights of its last epoch, whose
    scores `result.json` also gives: they tell what the selection of an epoch changed.
    """
    epoch = end.selection.epoch
    parts = predicted(setup, predict)
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
    result |= all_scores(setup, parts)
    result["last"] = {"epoch": end.epoch} | all_scores(setup, predicted(setup, predict_last))
    writer.finish(tensors, card, result)


def predicted(setup: Setup, predict: Predict) -> Parts:
    """Returns the rows of the validation and the test images, and the probabilities of each."""
    rows_of = {"val": setup.fold.val, "test": setup.fold.test}
    return {part: (rows, softmax(jax.device_get(predict(rows)))) for part, rows in rows_of.items()}


def all_scores(setup: Setup, parts: Parts) -> dict[str, dict[str, float | None]]:
    """Returns the scores of each part, and of both together (`held_out`: the images of the published AUCs)."""
    both = tuple(np.concatenate(arrays) for arrays in zip(*parts.values(), strict=True))
    return {
        part: final_scores(setup.data.labels[rows], probabilities)
        for part, (rows, probabilities) in (parts | {"held_out": both}).items()
    }


def final_scores(labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n k"]) -> dict[str, float | None]:
    """Returns what `result.json` says of some images; an undefined score is None, which JSON can hold."""
    rules = {"auc": metrics.auc, "auc_keras": metrics.auc_keras, "accuracy": metrics.accuracy}
    values = {name: float(score(labels, probabilities)) for name, score in rules.items()}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def softmax(logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Returns class probabilities in float64."""
    return scipy.special.softmax(logits.astype(np.float64), axis=1)
