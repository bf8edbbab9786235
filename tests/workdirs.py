"""Writes the run folders that a training or a study would leave, without training."""

import json
from pathlib import Path

import numpy as np

from tljax.core import runs
from tljax.core.files import write_csv
from tljax.core.predictions import PREDICTION_COLUMNS
from tljax.statistics import metrics

CLASSES = ("benign", "malignant")


def write_run(
    workdir: Path,
    task: str = "breast",
    init: str = "imagenet",
    *,
    freeze: bool = False,
    fold: int = 1,
    tag: str = "",
    seed: int = 0,
    signal: float = 1.5,
    images: int = 60,
    classes=CLASSES,
    absent=(),
    grouped: bool = True,
    epochs: int = 4,
    finished: bool = True,
    prefix: str = "image",
    spec: str | None = None,
    **settings,
) -> Path:
    """Writes a finished run folder, and returns its path. The higher `signal`, the higher its test AUC.

    All runs of a task and fold share images, labels and patients.

    Args:
        absent: numbers of classes that no test image has.
        prefix: the beginning of every file name.
        spec: the --init of the run, if it is a path.
        settings: written into the config.
    """
    folder = runs.run_folder(workdir, task, init, freeze, fold, tag)
    folder.mkdir(parents=True)
    shared = np.random.default_rng([fold, len(task)])
    own = np.random.default_rng([fold, len(task), seed, *folder.parent.name.encode()])
    splits = np.array(["train"] * (3 * images) + ["val"] * (images // 3) + ["test"] * images)
    labels = shared.integers(len(classes), size=len(splits))
    labels[: 3 * len(classes)] = np.arange(3 * len(classes)) % len(classes)
    test_labels = np.array([c for c in range(len(classes)) if c not in absent])
    labels[splits == "test"] = shared.choice(test_labels, size=images)
    files = [f"{prefix} fold{fold} ({number}).png" for number in range(len(splits))]
    patients = [f"p{fold}-{number // 2}" if grouped else "" for number in range(len(splits))]

    logits = own.normal(size=(len(splits), len(classes))) + signal * np.eye(len(classes))[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    chosen = {
        "dataset": task, "init": spec or init, "freeze": freeze, "fold": fold, "seed": seed, "tag": tag, "train": "all",
        "backbone": "resnet_tiny", "variant": "keras_v1",
        "preprocessing": "native", "image_size": 224, "batch_size": 16, "epochs": 200, "patience": 30, "dropout": 0.5,
        "learning_rate": 1e-5, "head_learning_rate": 1e-3, "head_epochs": 200, "head_patience": 10, "select": "val_auc",
        "folds": "paper", "folds_dir": None, "augment": "paper", "precision": "float32", **settings,
    }  # fmt: skip
    card = {
        "name": task, "title": f"The {task} data", "classes": list(classes), "licence": "CC BY", "flip": True,
        "grouped_by": "patient" if grouped else "none", "source": "https://example.org/data",
    }  # fmt: skip
    config = {
        "must_match": {**chosen, "data": "0123456789abcdef", "weights": "fedcba9876543210"},
        "config": chosen,
        "classes": list(classes),
        "init": {
            "name": init,
            "backbone": "resnet50",
            "variant": "keras_v1",
            "source": "elsewhere",
            "sha256": "fedcba98",
        },
        "card": card,
        "skipped": [],
        "devices": "1 x cpu",
        "versions": {"python": "3.11.4", "jax": "0.10.2", "tljax": "0.1.0"},
        "started": "2026-01-01T00:00:00+0000",
    }
    (folder / runs.CONFIG).write_text(json.dumps(config))
    names = [classes[label] for label in labels]
    write_csv(folder / runs.SPLIT, runs.SPLIT_COLUMNS, zip(files, names, patients, splits, strict=True))

    def scores(split):
        rows = splits == split
        return {
            "auc": metrics.auc(labels[rows], probabilities[rows]),
            "auc_keras": metrics.auc_keras(labels[rows], probabilities[rows]),
            "accuracy": metrics.accuracy(labels[rows], probabilities[rows]),
        }

    with (folder / runs.METRICS).open("w") as lines:
        for epoch in range(1, epochs + 1):
            row = {
                "phase": "all", "epoch": epoch, "train_loss": 0.7 / epoch, "train_accuracy": 1 - 0.4 / epoch,
                "val_loss": 0.7 / epoch + 0.03 * epoch, "val_accuracy": 1 - 0.5 / epoch,
                "val_auc": 1 - 0.5 / epoch, "images_per_second": 100.0 + epoch, "seconds": 10.0,
                "device_memory_bytes": 2_000_000_000,
            }  # fmt: skip
            lines.write(json.dumps(row) + "\n")
    if finished:
        rows = np.flatnonzero(splits != "train")
        body = [[files[i], names[i], splits[i], *map(repr, map(float, probabilities[i]))] for i in rows]
        write_csv(folder / runs.PREDICTIONS, [*PREDICTION_COLUMNS, *classes], body)
        result = {"epoch": epochs, "select": "val_auc", "test": scores("test"), "val": scores("val"), "seconds": 40.0}
        (folder / runs.RESULT).write_text(json.dumps(result))
    return folder
