"""Inception networks in training: scopes, and a run from training to comparison and saliency."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import LABELS, leaves, recipe

from benchmarks import crash
from tljax import models
from tljax.compare import compare, saliency
from tljax.core import devices, runs
from tljax.core.errors import UserError
from tljax.datasets import load
from tljax.models import inception_resnet_v2, inception_v3
from tljax.train import engine
from tljax.train.loop import train
from tljax.weights import networks

inception_v3.ARCHITECTURES["inception_v3_micro"] = inception_v3.Architecture((64,), (), 0, divisor=16)
inception_resnet_v2.ARCHITECTURES["inception_resnet_v2_micro"] = inception_resnet_v2.Architecture((0, 0, 1), divisor=16)
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 75, 75, 3), dtype=np.uint8)


def test_training_of_the_head_changes_nothing_else():
    chosen = recipe(scope="head")
    graphs, state = engine.split(models.build("inception_v3_micro", "torch", 3, dropout=0.0), chosen)
    before = leaves((state.trained, state.frozen))
    state = jax.device_put(state, devices.replicated(chosen.mesh))
    step = engine.make_step(graphs[0], chosen)
    state, _ = step(state, IMAGES, LABELS[:8], jnp.ones(8, bool), jax.random.key(0))
    after = leaves((state.trained, state.frozen))
    moved = {name for name, value in before.items() if (value != after[name]).any()}
    assert moved == {name for name in before if "'head'" in name}


def test_it_learns_the_phantom_and_is_compared_and_explained(tmp_path):
    config = dataclasses.replace(
        crash.SETTINGS,
        backbone="inception_resnet_v2_micro",
        variant="keras",
        image_size=75,
        workdir=tmp_path,
        head_epochs=1,
        epochs=2,
        batch_size=64,
        learning_rate=3e-3,
    )
    train(config)
    run = runs.read_run(crash.folder_of(config))
    losses = [row["train_loss"] for row in run.metrics if row["phase"] == "all"]
    assert run.status == "finished" and losses[-1] < 0.95 * losses[0], losses
    assert {row["phase"] for row in run.metrics} == {"head", "all"}
    tuned = networks.resolve(str(crash.folder_of(config)))
    learned = models.flatten(tuned.model)  # the phase after the head's moves all layers, and BatchNorm's statistics
    assert all((value != 0).all() for name, value in learned.items() if name.endswith((".norm.mean", ".norm.bias")))
    fresh = networks.resolve("random:1", num_classes=2, backbone="inception_resnet_v2_micro", variant="keras")
    data = load("phantom", image_size=75)
    rows = compare([tuned, fresh], data.images[:40], protocol="paper", measures=("cca",))
    assert [row.layer1 for row in rows] == ["conv1", "block1", "block2", "block3", "block4"]
    assert all(np.isfinite(row.value) for row in rows)
    found = saliency.saliency(tuned, data, run.predictions)
    assert found["maps"].shape[1:] == (1, 1)


def test_images_that_are_too_small_are_refused_before_training(tmp_path):
    config = dataclasses.replace(crash.SETTINGS, backbone="inception_v3_micro", variant="torch", workdir=tmp_path)
    with pytest.raises(UserError, match=r"32 x 32 pixels are too small .*--image-size 75 or more"):
        train(config)
