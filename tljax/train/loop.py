"""The training loop: fine-tunes one network on one fold of one data set.

The protocol is the paper's: cross-entropy, Adam, random affine augmentation, with --freeze only the head first, early
stopping, and the weights of the best epoch. Each run has a folder; the same command continues an interrupted run and
leaves a finished one unchanged.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from tljax.core import devices
from tljax.core.checkpoint import ResumePoint
from tljax.core.config import TrainConfig
from tljax.core.errors import Requeue, UserError
from tljax.core.signals import Termination
from tljax.statistics import metrics
from tljax.train import engine
from tljax.train.display import Stopwatch, TrainingDisplay, traced
from tljax.train.feed import Feed, make_feed
from tljax.train.outcome import Predict, conclude, softmax
from tljax.train.phases import Phase, Position, plan
from tljax.train.runwriter import RunWriter
from tljax.train.setup import Setup, describe, prepare

EARLY = "told to stop before the first epoch; run the same command again"


@dataclasses.dataclass(frozen=True)
class Session:
    """What all phases of a run share."""

    setup: Setup
    writer: RunWriter
    display: TrainingDisplay
    stop: Termination
    resume: ResumePoint


def train(config: TrainConfig) -> Path:
    """Trains or continues a run, and returns its finished folder.

    Raises UserError for a mistake, and Requeue when told to stop.
    """
    with Termination(EARLY) as stop:
        devices.join_processes(config)
        if jax.distributed.is_initialized():  # one of several processes must not stop alone
            stop.only_remember()
        devices.use_compilation_cache(config.cache_dir)
        setup = prepare(config)
        title = f"{config.dataset} {setup.network.label} fold {config.fold}"
        try:
            with (
                devices.explained(setup.folder),
                RunWriter(setup.folder, config.tensorboard) as writer,
                TrainingDisplay(title, config.quiet) as display,
            ):
                if not writer.begin(describe(setup), setup.data, setup.fold):
                    with writer.resume_point(config.save_seconds) as resume:
                        stop.only_remember()
                        ended = fit(Session(setup, writer, display, stop, resume))
                    conclude(setup, writer, *ended)
        except OSError as error:
            raise UserError(
                f"could not continue {setup.folder} ({error}); fix this and run the same command again"
            ) from error
    return setup.folder


def fit(session: Session) -> tuple[Phase, Position, Predict, Predict]:
    """Runs the phases, from the last checkpoint on if there is one, and leaves the kept weights in the network.

    Returns the last phase, where it ended, and two functions that predict: with the weights it kept, and with those of
    its last epoch.
    """
    setup = session.setup
    phases = plan(setup.config, setup.data.labels[setup.fold.val])
    position = Position.found(session.resume.facts())
    session.writer.keep_epochs(position.rows)
    while True:
        phase = phases[position.phase]
        feed, kept, last = fit_phase(session, phase, position)
        engine.restore(setup.network.model, kept)
        if position.phase == len(phases) - 1:
            return phase, position, functools.partial(feed.infer, kept), functools.partial(feed.infer, last)
        position = Position(phase=position.phase + 1, rows=position.rows, seconds=position.seconds)


def fit_phase(session: Session, phase: Phase, position: Position) -> tuple[Feed, engine.Weights, engine.Weights]:
    """Trains from `position` on until the phase is over; returns its feed, the weights it keeps and its last weights.

    `position` is advanced with every epoch.
    """
    setup, writer = session.setup, session.writer
    recipe = recipe_of(setup, phase)
    graphs, state = engine.split(setup.network.model, recipe)
    state = jax.device_put(state, devices.replicated(recipe.mesh))
    kept = engine.copied(engine.weights_of(state))
    if position.epoch:
        state, kept = session.resume.arrays((state, kept))
    feed = make_feed(setup.config.storage, graphs, recipe, kept, setup.data, setup.fold)
    session.display.phase(phase.scope, phase.epochs, position.epoch)
    for key, watch in _epochs(setup, phase, position):
        with traced(writer.folder / "profile", setup.config.profile and position.epoch == 2):
            state, sums = feed.epoch(state, setup.fold.train, key)
            weights = engine.weights_of(state)
            sums, logits = jax.device_get((sums, feed.infer(weights, setup.fold.val)))  # the only wait of an epoch
        row = {"phase": phase.scope, "epoch": position.epoch}
        row |= scores(sums, logits, setup) | speed(setup, watch.lap())
        refuse_undefined_loss(row, position, setup)
        position.seconds += row["seconds"]
        if position.selection.offer(row, phase):
            kept = engine.copied(weights)
        writer.epoch(row)
        session.display.epoch(row)
        stopping = devices.any_process(session.stop.received)  # all processes stop after the same epoch
        if stopping or devices.any_process(session.resume.is_due()):  # processes save together
            session.resume.save(position.rows, (state, kept), dataclasses.asdict(position), wait=stopping)
        if stopping:
            raise Requeue(
                f"{writer.folder} is saved after epoch {position.epoch}; run the same command again to continue"
            )
    session.display.stopped(position.epoch)
    return feed, kept, engine.weights_of(state)


def _epochs(setup: Setup, phase: Phase, position: Position) -> Iterator[tuple[Key[Array, ""], Stopwatch]]:
    """Advances `position` epoch by epoch until the phase is over; yields the random key of each epoch."""
    key = jax.random.fold_in(jax.random.key(setup.config.seed), position.phase)
    watch = Stopwatch()
    while position.epoch < phase.epochs and not phase.exhausted(position.epoch, position.selection):
        position.epoch, position.rows = position.epoch + 1, position.rows + 1
        yield jax.random.fold_in(key, position.epoch), watch


def recipe_of(setup: Setup, phase: Phase) -> engine.Recipe:
    """Returns what the programs of a phase are compiled for."""
    batch_size = setup.config.batch_size or setup.data.card.batch_size
    steps = -(-len(setup.fold.train) // batch_size)
    return engine.Recipe(
        normalisation=setup.network.normalisation,
        augment=setup.config.augment != "none",
        flip=setup.data.card.flip,
        learning_rate=phase.learning_rate,
        batch_size=batch_size,
        scope=phase.scope,
        mesh=devices.data_mesh(),
        warmup_steps=phase.warmup_epochs * steps,
        weight_decay=phase.weight_decay,
    )


def scores(sums: dict[str, Any], logits: Float[np.ndarray, "n k"], setup: Setup) -> dict[str, float]:
    """Returns the losses and scores of an epoch; those of training were measured while the weights changed."""
    probabilities, labels = softmax(logits), setup.data.labels[setup.fold.val]
    return {
        "train_loss": float(sums["loss"]) / len(setup.fold.train),
        "train_accuracy": float(sums["right"]) / len(setup.fold.train),
        "val_loss": metrics.log_loss(labels, probabilities),
        "val_accuracy": metrics.accuracy(labels, probabilities),
        "val_auc": metrics.auc(labels, probabilities),
    }


def speed(setup: Setup, seconds: float) -> dict[str, Any]:
    """Returns the time, speed and memory of an epoch."""
    return {
        "images_per_second": len(setup.fold.train) / seconds,
        "seconds": seconds,
        "device_memory_bytes": devices.peak_memory(),
    }


def refuse_undefined_loss(row: dict[str, Any], position: Position, setup: Setup) -> None:
    """Raises UserError if a loss is NaN or infinite, before this epoch is written or saved."""
    for name in ("train_loss", "val_loss"):
        if not np.isfinite(row[name]):
            kept = "the state before it is kept" if position.rows > 1 else "nothing was saved yet"
            precision = ", or use --precision float32" if setup.config.precision != "float32" else ""
            raise UserError(
                f"the {name.replace('_', ' ')} became {row[name]} in epoch {row['epoch']} of phase {row['phase']} "
                f"({kept}). Lower --learning-rate{precision}, with another --tag or after removing {setup.folder}"
            )
