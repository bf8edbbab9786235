"""Transformers and ConvNeXts in training: scopes, bfloat16, several devices, a run that is stopped and goes on."""

import dataclasses
import multiprocessing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import LABELS, leaves, recipe

from benchmarks import crash, scaling
from tljax import models
from tljax.core import devices, runs
from tljax.core.config import TrainConfig
from tljax.train import engine

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
LEARNS = dataclasses.replace(crash.SETTINGS, head_epochs=1, epochs=4, warmup_epochs=1)
NETWORKS = [("vit_tiny", "dinov2_reg"), ("convnext_micro", "torch")]


def after_step(network: tuple[str, str], scope: str, dtype=np.float32):
    """Returns the state of a small network before and after one step, and the sums of the step."""
    model = models.build(*network, 3, dropout=0.0, dtype=np.dtype(dtype))
    chosen = recipe(scope=scope)
    graphs, state = engine.split(model, chosen)
    before = leaves((state.trained, state.frozen))
    state = jax.device_put(state, devices.replicated(chosen.mesh))
    step = engine.make_step(graphs[0], chosen)
    state, sums = step(state, IMAGES[:8], LABELS[:8], jnp.ones(8, bool), jax.random.key(0))
    return before, leaves((state.trained, state.frozen)), sums


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("scope", ["all", "head"])
def test_a_scope_changes_its_tensors_and_no_others(network, scope):
    before, after, _ = after_step(network, scope)
    moved = {name for name, value in before.items() if (value != after[name]).any()}
    assert moved == {name for name in before if scope == "all" or "'head'" in name}


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_bfloat16_keeps_parameters_and_loss_in_float32(network):
    _, after, sums = after_step(network, "all", jnp.bfloat16)
    assert {value.dtype for value in after.values()} == {np.dtype("float32")}
    assert sums["loss"].dtype == np.float32
    np.testing.assert_allclose(sums["loss"], after_step(network, "all")[2]["loss"], rtol=0.02)


def _scale(queue) -> None:
    scaling.force_devices(8)
    networks = (("dinov3_tiny", "no_bias"), ("convnext_micro", "torch"))
    queue.put([[scaling.train(count, name, 32, 5, variant)[0] for count in (1, 8)] for name, variant in networks])


def test_eight_devices_train_what_one_trains():
    queue = multiprocessing.get_context("forkserver").SimpleQueue()
    process = multiprocessing.get_context("forkserver").Process(target=_scale, args=(queue,))
    process.start()
    for one, eight in queue.get():
        assert scaling.difference(one, eight) < 1e-5
    process.join()


def assert_learns(config: TrainConfig) -> float:
    """Trains on the phantom, asserts that the loss falls, and returns the seconds that it took."""
    seconds = crash.complete(config)
    run = runs.read_run(crash.folder_of(config))
    losses = [row["train_loss"] for row in run.metrics if row["phase"] == "all"]
    assert run.status == "finished" and losses[-1] < 0.9 * losses[0]
    return seconds


def test_a_convnext_learns_the_phantom(tmp_path):
    assert_learns(dataclasses.replace(LEARNS, backbone="convnext_micro", variant="torch", workdir=tmp_path))


def test_a_transformer_learns_the_phantom_and_continues_to_the_bit_after_a_kill(tmp_path):
    config = dataclasses.replace(LEARNS, backbone="vit_tiny", variant="dinov2", workdir=tmp_path / "uninterrupted")
    seconds = assert_learns(config)
    killed = dataclasses.replace(config, workdir=tmp_path / "killed")
    assert crash.kill_and_resume(killed, crash.folder_of(config), seconds, kills=1, seed=1).kills == 1
