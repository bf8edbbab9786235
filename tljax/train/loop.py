"""The training loop: fine-tune one network on one fold of one data set.

The protocol is the paper's: cross-entropy, Adam, random affine augmentation; with --freeze the head alone first; early
stopping, and the weights of the best epoch kept. Each run is a folder; the same command continues an interrupted run
and leaves a finished one alone.
"""

import dataclasses
import functools
import hashlib
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

import tljax
from tljax import datasets, models
from tljax.core import devices, runs
from tljax.core.checkpoint import ResumePoint
from tljax.core.config import INCIDENTAL, TrainConfig, to_json
from tljax.core.errors import Requeue, UserError
from tljax.core.progress import Stopwatch, TrainingDisplay
from tljax.core.signals import Termination
from tljax.datasets.folds import PARTS, Fold, load
from tljax.datasets.leakage import describe_leaks
from tljax.statistics import metrics
from tljax.train import engine
from tljax.train.feed import Feed, make_feed
from tljax.train.phases import Phase, Position, plan
from tljax.train.runwriter import RunWriter
from tljax.train.settings import check, resolve, tag_of
from tljax.weights import networks

EARLY = "told to stop before the first epoch; run the same command again"

Predict = Callable[[Int[np.ndarray, " n"]], Float[Array, "n k"]]  # logits of some rows of the data set


@dataclasses.dataclass(frozen=True)
class Job:
    """What is trained on what."""

    config: TrainConfig  # resolved
    network: networks.Network
    data: datasets.Dataset
    fold: Fold

    @property
    def folder(self) -> Path:
        of = self.config
        return runs.run_folder(of.workdir, of.dataset, self.network.label, of.freeze, of.fold, tag_of(of))


def train(config: TrainConfig) -> Path:
    """Trains, or goes on, and returns the finished run folder. Raises UserError, or Requeue when told to stop."""
    with Termination(EARLY) as stop:
        devices.join_processes(config)
        if jax.distributed.is_initialized():  # one process of several does not stop alone
            stop.only_remember()
        devices.use_compilation_cache(config.cache_dir)
        job = prepare(config)
        try:
            with (
                devices.explained(job.folder),
                RunWriter(job.folder, config.tensorboard) as writer,
                TrainingDisplay(f"{config.dataset} {job.network.label} fold {config.fold}", config.quiet) as display,
            ):
                if not writer.begin(describe(job), job.data, job.fold):
                    position, predict = fit(job, writer, display, stop)
                    conclude(job, writer, position, predict)
        except OSError as error:
            raise UserError(
                f"could not go on with {job.folder} ({error}); mend that and run the same command again"
            ) from error
    return job.folder


def prepare(config: TrainConfig) -> Job:
    """Everything that training needs, found, read and checked."""
    check(config)
    data, fold = load(config, progress=not config.quiet)
    config = resolve(config, data.card)
    network = networks.resolve(
        config.init,
        config.weights_dir,
        num_classes=len(data.card.classes),
        preprocessing=config.preprocessing,
        backbone=config.backbone,
        variant=config.variant,
        dropout=config.dropout,
        dtype=devices.compute_dtype(config.precision),
        seed=config.seed,
    )
    network.model.trained_by(config.train)  # refuses a scope that the network does not have
    return Job(config, network, data, fold)


def describe(job: Job) -> dict[str, Any]:
    """What `config.json` holds. Two runs may share a folder only if `must_match` is the same."""
    settings = to_json(job.config)
    by_content = {*INCIDENTAL, "init"}  # a folder's name and its weights say more than how its path was spelt
    return {
        "must_match": {key: value for key, value in settings.items() if key not in by_content}
        | {"data": job.data.fingerprint, "split": split_digest(job), "weights": job.network.card.sha256},
        "config": settings,
        "classes": list(job.data.card.classes),
        "layers": list(job.network.model.named_layers),  # what tables and figures show, in order
        "all_layers": list(job.network.model.all_layers),
        "init": dataclasses.asdict(job.network.card),
        "card": dataclasses.asdict(job.data.card),
        "skipped": list(job.data.skipped),
        "leakage": describe_leaks(job.data, job.fold),
        "devices": devices.describe(),
        "versions": {"tljax": tljax.__version__, "jax": jax.__version__, "python": platform.python_version()},
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def split_digest(job: Job) -> str:
    """Of which image is trained on, validated on and tested on."""
    files = [[job.data.files[row] for row in getattr(job.fold, part)] for part in PARTS]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def fit(job: Job, writer: RunWriter, display: TrainingDisplay, stop: Termination) -> tuple[Position, Predict]:
    """Runs the phases, from the last checkpoint on where there is one, and leaves the best weights in the network.

    Returns the end of the last phase, and what predicts by the weights that it kept.
    """
    phases = plan(job.config)
    with writer.resume_point() as resume:
        position = Position.found(resume.facts())
        stop.only_remember()
        writer.keep_epochs(position.rows)
        while True:
            feed, best = fit_phase(job, phases[position.phase], position, resume, writer, display, stop)
            engine.restore(job.network.model, best)
            if position.phase == len(phases) - 1:
                return position, functools.partial(feed.infer, best)
            position = Position(phase=position.phase + 1, rows=position.rows, seconds=position.seconds)


def fit_phase(
    job: Job,
    phase: Phase,
    position: Position,
    resume: ResumePoint,
    writer: RunWriter,
    display: TrainingDisplay,
    stop: Termination,
) -> tuple[Feed, engine.Weights]:
    """Trains, from `position` on, until the phase has had its epochs or its patience; its feed and its best weights."""
    recipe = recipe_of(job, phase)
    graphs, state = engine.split(job.network.model, recipe)
    state = jax.device_put(state, devices.replicated(recipe.mesh))
    best = engine.copied(engine.weights_of(state))
    if position.epoch:
        state, best = resume.arrays((state, best))
    feed = make_feed(
        job.config.storage, graphs, recipe, best, job.data.images, job.data.labels, (job.fold.train, job.fold.val)
    )
    key = jax.random.fold_in(jax.random.key(job.config.seed), position.phase)
    display.phase(phase.scope, phase.epochs, position.epoch)
    watch = Stopwatch()
    while position.epoch < phase.epochs and not phase.exhausted(position.epoch, position.selection):
        position.epoch, position.rows = position.epoch + 1, position.rows + 1
        with display.traced(writer.folder / "profile", job.config.profile and position.epoch == 2):
            state, sums = feed.epoch(state, job.fold.train, jax.random.fold_in(key, position.epoch))
            weights = engine.weights_of(state)
            sums, logits = jax.device_get((sums, feed.infer(weights, job.fold.val)))  # the epoch's one wait
        row = {"phase": phase.scope, "epoch": position.epoch, **scores(sums, logits, job), **speed(job, watch.lap())}
        refuse_no_number(row, position, job)
        position.seconds += row["seconds"]
        if position.selection.offer(row, phase.select):
            best = engine.copied(weights)
        writer.epoch(row)
        display.epoch(row)
        stopping = devices.any_process(stop.received)  # all processes stop after the same epoch
        resume.save(position.rows, (state, best), dataclasses.asdict(position), wait=stopping)
        if stopping:
            raise Requeue(f"{writer.folder} is saved after epoch {position.epoch}; run the same command again to go on")
    display.stopped(position.epoch)
    return feed, best


def recipe_of(job: Job, phase: Phase) -> engine.Recipe:
    return engine.Recipe(
        normalisation=job.network.normalisation,
        augment=job.config.augment != "none",
        flip=job.data.card.flip,
        learning_rate=phase.learning_rate,
        batch_size=job.config.batch_size,
        scope=phase.scope,
        mesh=devices.data_mesh(),
    )


def scores(sums: dict[str, Any], logits: Float[np.ndarray, "n k"], job: Job) -> dict[str, float]:
    """An epoch's losses and scores; training ones as seen while the weights moved."""
    probabilities, labels = softmax(logits), job.data.labels[job.fold.val]
    return {
        "train_loss": float(sums["loss"]) / len(job.fold.train),
        "train_accuracy": float(sums["right"]) / len(job.fold.train),
        "val_loss": metrics.log_loss(labels, probabilities),
        "val_accuracy": metrics.accuracy(labels, probabilities),
        "val_auc": metrics.auc(labels, probabilities),
    }


def speed(job: Job, seconds: float) -> dict[str, Any]:
    return {
        "images_per_second": len(job.fold.train) / seconds,
        "seconds": seconds,
        "device_memory_bytes": devices.peak_memory(),
    }


def refuse_no_number(row: dict[str, Any], position: Position, job: Job) -> None:
    """Raises UserError where a loss is NaN or infinite, before this epoch is written or saved."""
    phase = row["phase"]
    for name in ("train_loss", "val_loss"):
        if not np.isfinite(row[name]):
            kept = "the state before it is kept" if position.rows > 1 else "nothing was saved yet"
            precision = ", or use --precision float32" if job.config.precision != "float32" else ""
            raise UserError(
                f"the {name.replace('_', ' ')} became {row[name]} in epoch {row['epoch']} of phase {phase} ({kept}). "
                f"Lower --learning-rate{precision}, under another --tag or with {job.folder} removed"
            )


def conclude(job: Job, writer: RunWriter, position: Position, predict: Predict) -> None:
    """Predicts validation and test images with the selected weights and completes the run folder."""
    labels, epoch = job.data.labels, position.selection.epoch
    parts = {
        part: (rows, softmax(jax.device_get(predict(rows))))
        for part, rows in (("val", job.fold.val), ("test", job.fold.test))
    }
    writer.predictions(job.data, parts)
    card = dataclasses.replace(
        job.network.card,
        name=f"{job.config.dataset}-{job.network.label}",
        format="tljax",
        classes=job.data.card.classes,
        source=str(writer.folder),
        sha256=models.digest(tensors := models.flatten(job.network.model)),
        note=f"fine-tuned from {job.network.label}, epoch {epoch} by {job.config.select}",
    )
    result = {"epoch": epoch, "select": job.config.select, "seconds": position.seconds}
    result |= {part: final_scores(labels[rows], probabilities) for part, (rows, probabilities) in parts.items()}
    writer.finish(tensors, card, result)


def final_scores(labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n k"]) -> dict[str, float | None]:
    """What `result.json` says of validation or test images. JSON has no NaN: a score that is undefined is null."""
    rules = {"auc": metrics.auc, "auc_keras": metrics.auc_keras, "accuracy": metrics.accuracy}
    values = {name: float(score(labels, probabilities)) for name, score in rules.items()}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def softmax(logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Class probabilities, in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
