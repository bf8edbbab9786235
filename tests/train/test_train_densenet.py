"""A DenseNet in training: scopes, and a run from training to comparison and saliency."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import IMAGES, LABELS, leaves, recipe

from benchmarks import crash
from tljax import models
from tljax.compare import compare, saliency
from tljax.core import devices, runs
from tljax.datasets import load
from tljax.models import densenet
from tljax.train import engine
from tljax.train.loop import train
from tljax.weights import networks

densenet.ARCHITECTURES["densenet_micro"] = densenet.Architecture((2,), 4)  # compiles within seconds


@pytest.mark.parametrize("scope", ["all", "head"])
def test_a_scope_changes_its_tensors_and_no_others(scope):
    """Only training of all layers moves BatchNorm's statistics."""
    chosen = recipe(scope=scope)
    graphs, state = engine.split(models.build("densenet_micro", "torch", 3, dropout=0.0), chosen)
    before = leaves((state.trained, state.frozen))
    state = jax.device_put(state, devices.replicated(chosen.mesh))
    step = engine.make_step(graphs[0], chosen)
    state, _ = step(state, IMAGES[:8], LABELS[:8], jnp.ones(8, bool), jax.random.key(0))
    after = leaves((state.trained, state.frozen))
    moved = {name for name, value in before.items() if (value != after[name]).any()}
    assert moved == {name for name in before if scope == "all" or "'head'" in name}


def test_it_learns_the_phantom_and_is_compared_and_explained(tmp_path):
    variant = "torch_grey"
    shorter = {"head_epochs": 1, "epochs": 4, "warmup_epochs": 0, "learning_rate": 1e-2}
    config = dataclasses.replace(
        crash.SETTINGS, backbone="densenet_micro", variant=variant, workdir=tmp_path, **shorter
    )
    train(config)
    run = runs.read_run(crash.folder_of(config))
    losses = [row["train_loss"] for row in run.metrics if row["phase"] == "all"]
    assert run.status == "finished" and losses[-1] < 0.95 * losses[0]
    assert {row["phase"] for row in run.metrics} == {"head", "all"}
    tuned = networks.resolve(str(crash.folder_of(config)))
    fresh = networks.resolve("random:1", num_classes=2, backbone="densenet_micro", variant=variant)
    data = load("phantom", image_size=32)
    rows = compare([tuned, fresh], data.images[:40], measures=("debiased_cka",))
    assert [row.layer1 for row in rows] == ["conv1", "block1"]
    assert all(np.isfinite(row.value) for row in rows)
    found = saliency.saliency(tuned, data, run.predictions)
    assert found["maps"].shape[1:] == (8, 8) and found["maps"].max() > 0
