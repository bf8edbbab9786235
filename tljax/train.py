"""python -m tljax.train: fine-tune one network on one fold of one data set.

The protocol is the paper's: cross-entropy, Adam, random affine augmentation; with --freeze the head alone first; early
stopping, and the weights of the best epoch kept. Each run is a folder; the same command continues an interrupted run
and leaves a finished one alone.
"""

import dataclasses
import platform
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

import tljax
from tljax import datasets, devices, engine, metrics, models, networks, runs
from tljax.config import INCIDENTAL, TrainConfig, parse, to_json
from tljax.errors import Requeue, UserError, run_command
from tljax.feed import Feed, make_feed
from tljax.folds import Fold, fold_of
from tljax.progress import Stopwatch, TrainingDisplay, console
from tljax.runwriter import RunWriter, StopSignal

DROPOUT = 0.5  # of the paper's pre-trained models; its random one had none


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
        return self.select != "last" and epoch - selection.epoch >= self.patience


@dataclasses.dataclass
class Selection:
    """Which epoch of a phase is the best so far."""

    epoch: int = 0
    score: float = -float("inf")
    loss: float = float("inf")  # settles ties, which are common on few validation images

    def offer(self, row: dict[str, Any], rule: str) -> bool:
        """Takes this epoch if it is better; whether it was."""
        score = {"last": row["epoch"], "val_loss": -row["val_loss"]}.get(rule, row.get(rule))
        score = 0.0 if np.isnan(score) else score  # an AUC of one class alone: the loss decides
        better = (score, -row["val_loss"]) > (self.score, -self.loss)
        if better:
            self.epoch, self.score, self.loss = row["epoch"], score, row["val_loss"]
        return better


def main() -> None:
    config = parse(TrainConfig, "python -m tljax.train")
    run = train(config)
    if devices.is_writer():
        result = runs.read_json(run / runs.RESULT)
        console.print(
            f"test AUC [bold]{result['test']['auc']:.3f}[/] (epoch {result['epoch']})  ->  {run}", highlight=False
        )


def train(config: TrainConfig) -> Path:
    """Trains, or goes on, and returns the finished run folder. Raises UserError, or Requeue when told to stop."""
    devices.join_processes(config)
    devices.use_compilation_cache(config.cache_dir)
    clock = Stopwatch()
    data = datasets.load(
        config.dataset,
        config.data_dir,
        config.image_size,
        cache_dir=config.cache_dir,
        skip_bad=config.skip_bad,
        progress=not config.quiet,
    )
    config = resolve(config, data.card)
    fold = fold_of(data, config.fold, rule=config.folds, folds_dir=config.folds_dir)
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
    folder = runs.run_folder(config.workdir, config.dataset, network.label, config.freeze, config.fold, tag_of(config))
    title = f"{config.dataset} {network.label} fold {config.fold}"
    try:
        with (
            RunWriter(folder, config.tensorboard) as writer,
            StopSignal() as stop,
            TrainingDisplay(title, config.quiet) as display,
        ):
            if not writer.begin(describe(config, network, data), data, fold):
                fitted = fit(config, network, data, fold, writer, display, stop)
                conclude(config, network, data, fold, writer, fitted, clock.lap())
    except OSError as error:
        raise UserError(f"could not go on with {folder} ({error}); mend that and run the same command again") from error
    return folder


def resolve(config: TrainConfig, card: datasets.Card) -> TrainConfig:
    """The config with every default that depends on the task or the device filled in, and its values checked."""
    for name in ("epochs", "batch_size", "image_size", "head_epochs", "patience", "head_patience"):
        if (value := getattr(config, name)) is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} {value}: must be at least 1")
    for name in ("learning_rate", "head_learning_rate"):
        if not getattr(config, name) > 0:
            raise UserError(f"--{name.replace('_', '-')} {getattr(config, name)}: must be positive")
    return dataclasses.replace(
        config,
        image_size=config.image_size or card.image_size,
        batch_size=config.batch_size or card.batch_size,
        dropout=(0.0 if config.init.startswith("random") else DROPOUT) if config.dropout is None else config.dropout,
        precision=devices.compute_dtype(config.precision).name,
    )


def tag_of(config: TrainConfig) -> str:
    """What tells this run's folder from others of the same initialisation."""
    return "-".join(part for part in ("" if config.train == "all" else config.train, config.tag) if part)


def describe(config: TrainConfig, network: networks.Network, data: datasets.Dataset) -> dict[str, Any]:
    """What `config.json` holds. Two runs may share a folder only if `must_match` is the same."""
    settings = to_json(config)
    return {
        "must_match": {key: value for key, value in settings.items() if key not in INCIDENTAL}
        | {"data": data.fingerprint, "weights": network.card.sha256},
        "config": settings,
        "classes": list(data.card.classes),
        "init": dataclasses.asdict(network.card),
        "card": dataclasses.asdict(data.card),
        "skipped": list(data.skipped),
        "devices": devices.describe(),
        "versions": {"tljax": tljax.__version__, "jax": jax.__version__, "python": platform.python_version()},
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def phases(config: TrainConfig) -> list[Phase]:
    main = Phase(config.train, config.epochs, config.patience, config.learning_rate, config.select)
    if not config.freeze:
        return [main]
    head = Phase("head", config.head_epochs, config.head_patience, config.head_learning_rate, "val_accuracy")
    return [head, main]


def fit(
    config: TrainConfig,
    network: networks.Network,
    data: datasets.Dataset,
    fold: Fold,
    writer: RunWriter,
    display: TrainingDisplay,
    stop: StopSignal,
) -> tuple[Selection, Feed, engine.Weights]:
    """Runs the phases, from the last checkpoint on where there is one; the last phase's best epoch and its state."""
    mesh, plan = devices.data_mesh(), phases(config)
    resume = writer.resume_point()
    facts = resume.facts() or {"phase": 0, "epoch": 0, "rows": 0, "selection": {}}
    writer.keep_epochs(facts["rows"])
    rows_written = facts["rows"]
    seed_key = jax.random.key(config.seed)
    with resume:
        for number, phase in list(enumerate(plan))[facts["phase"] :]:
            recipe = engine.Recipe(
                normalisation=network.normalisation,
                augment=config.augment != "none",
                flip=data.card.flip,
                learning_rate=phase.learning_rate,
                batch_size=config.batch_size,
                scope=phase.scope,
                mesh=mesh,
            )
            graphs, state = engine.split(network.model, recipe)
            state = jax.device_put(state, devices.replicated(mesh))
            best, selection, epoch = engine.copied(engine.weights_of(state)), Selection(), 0
            if number == facts["phase"] and facts["epoch"]:
                state, best = resume.arrays((state, best))
                selection, epoch = Selection(**facts["selection"]), facts["epoch"]
            feed = make_feed(
                config.storage, tuple(graphs), recipe, best, data.images, data.labels, (fold.train, fold.val)
            )
            phase_key = jax.random.fold_in(seed_key, number)
            display.phase(phase.scope, phase.epochs, epoch)
            watch = Stopwatch()
            while epoch < phase.epochs and not phase.exhausted(epoch, selection):
                epoch += 1
                with display.traced(writer.folder / "profile", config.profile and epoch == 2):
                    state, sums = feed.epoch(state, fold.train, jax.random.fold_in(phase_key, epoch))
                    weights = engine.weights_of(state)
                    sums, logits = jax.device_get((sums, feed.infer(weights, fold.val)))  # the epoch's one wait
                row = {
                    "phase": phase.scope,
                    "epoch": epoch,
                    **scores(sums, logits, data, fold),
                    **speed(fold, watch.lap()),
                }
                if not np.isfinite([row["train_loss"], row["val_loss"]]).all():
                    raise UserError(
                        f"the loss became {row['train_loss']} in epoch {epoch} of phase {phase.scope}; the state "
                        f"before it is kept in {writer.folder}. Lower --learning-rate, or use --precision float32"
                    )
                if selection.offer(row, phase.select):
                    best = engine.copied(weights)
                writer.epoch(row)
                display.epoch(row)
                rows_written += 1
                position = {"phase": number, "epoch": epoch, "rows": rows_written}
                stopping = stop.requested()
                resume.save(
                    rows_written,
                    (state, best),
                    position | {"selection": dataclasses.asdict(selection)},
                    wait=stopping,
                )
                if stopping:
                    raise Requeue(f"{writer.folder} is saved after epoch {epoch}; run the same command again to go on")
            display.stopped(epoch)
            engine.restore(network.model, best)
    return selection, feed, best


def scores(
    sums: dict[str, Any], logits: Float[np.ndarray, "n k"], data: datasets.Dataset, fold: Fold
) -> dict[str, float]:
    """An epoch's losses and scores; training ones as seen while the weights moved."""
    probabilities, labels = softmax(logits), data.labels[fold.val]
    return {
        "train_loss": float(sums["loss"]) / len(fold.train),
        "train_accuracy": float(sums["right"]) / len(fold.train),
        "val_loss": metrics.log_loss(labels, probabilities),
        "val_accuracy": metrics.accuracy(labels, probabilities),
        "val_auc": metrics.auc(labels, probabilities),
    }


def speed(fold: Fold, seconds: float) -> dict[str, Any]:
    return {
        "images_per_second": len(fold.train) / seconds,
        "seconds": seconds,
        "device_memory_bytes": devices.peak_memory(),
    }


def conclude(
    config: TrainConfig,
    network: networks.Network,
    data: datasets.Dataset,
    fold: Fold,
    writer: RunWriter,
    fitted: tuple[Selection, Feed, engine.Weights],
    seconds: float,
) -> None:
    """Predicts validation and test images with the selected weights and completes the run folder."""
    selection, feed, weights = fitted
    parts = {
        part: (rows, softmax(jax.device_get(feed.infer(weights, rows))))
        for part, rows in (("val", fold.val), ("test", fold.test))
    }
    writer.predictions(data, parts)
    card = dataclasses.replace(
        network.card,
        name=f"{config.dataset}-{network.label}",
        format="tljax",
        classes=data.card.classes,
        source=str(writer.folder),
        sha256=models.digest(tensors := models.flatten(network.model)),
        note=f"fine-tuned from {network.label}, epoch {selection.epoch} by {config.select}",
    )
    result = {"epoch": selection.epoch, "select": config.select, "seconds": seconds}
    for part, (rows, probabilities) in parts.items():
        labels = data.labels[rows]
        result[part] = {
            name: finite(score(labels, probabilities))
            for name, score in (("auc", metrics.auc), ("auc_keras", metrics.auc_keras), ("accuracy", metrics.accuracy))
        }
    writer.finish(tensors, card, result)


def softmax(logits: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Class probabilities, in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def finite(value: float) -> float | None:
    """JSON has no NaN: a score that is undefined is null."""
    return float(value) if np.isfinite(value) else None


if __name__ == "__main__":
    run_command(main)
