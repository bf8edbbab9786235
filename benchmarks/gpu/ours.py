"""A training step and an epoch by tljax, for the speed comparisons."""

import dataclasses

import jax
import numpy as np

from tljax import models
from tljax.core import devices
from tljax.core.pipeline import on_device
from tljax.models.forward import Forward
from tljax.models.normalisation import NORMALISATIONS
from tljax.train import engine
from tljax.train.feed import DeviceFeed

LEARNING_RATE = 1e-5
NORMALISATION = NORMALISATIONS["imagenet"]


class Ours:
    """One network, its optimiser, and images that lie on the device."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        *,
        backbone: str = "resnet50",
        variant: str = "torch_v1.5",
        repeatable: bool = True,
    ):
        if not repeatable:
            engine.repeatable = dict  # kernels that add in no fixed order are allowed
        mesh = devices.data_mesh()
        recipe = engine.Recipe(NORMALISATION, True, True, LEARNING_RATE, batch_size, "all", mesh)
        model = models.build(backbone, variant, 2, dropout=0.0, dtype=devices.compute_dtype(None))
        passed = Forward(model, NORMALISATION)
        batch = jax.ShapeDtypeStruct((batch_size, *images.shape[1:]), np.uint8)
        self._operations = 3 * (devices.operations(passed.apply, passed.state, batch) or float("nan"))
        graphs, state = engine.split(model, recipe)
        self._state = jax.device_put(state, devices.replicated(mesh))
        self._feed = DeviceFeed(graphs, recipe, on_device(images, mesh), on_device(labels, mesh))
        self._rows, self._batch_size, self._key = np.arange(len(images)), batch_size, jax.random.key(0)
        plain = dataclasses.replace(recipe, augment=False)
        self._plain = DeviceFeed(graphs, plain, *(on_device(part[:batch_size], mesh) for part in (images, labels)))
        self._step = engine.make_step(graphs[0], plain)
        self._batch = [jax.device_put(part[:batch_size], devices.spread(mesh)) for part in (images, labels)]

    def compiled(self) -> jax.stages.Compiled:
        """The program of one step."""
        return self._step.lower(self._state, *self._batch, None, self._key).compile()

    def operations(self) -> float:
        """Floating point operations of one step: three times the forward pass, as XLA counts it."""
        return self._operations

    def step(self) -> None:
        """Run one step, without augmentation."""
        self._state, sums = self._step(self._state, *self._batch, None, self._key)
        jax.block_until_ready(sums)

    def steps(self) -> None:
        """Run as many steps as an epoch has, as one program, without augmentation."""
        self._state, sums = self._plain.epoch(self._state, self._rows % self._batch_size, self._key)
        jax.block_until_ready(sums)

    def inference(self) -> None:
        """Compute the logits of as many batches as an epoch has."""
        weights = engine.weights_of(self._state)
        jax.block_until_ready(self._plain.infer(weights, self._rows % self._batch_size))

    def epoch(self) -> None:
        """Run an epoch with augmentation."""
        self._state, sums = self._feed.epoch(self._state, self._rows, self._key)
        jax.block_until_ready(sums)


def make(backbone: str, variant: str, count: int, image_size: int, batch_size: int, repeatable: bool) -> Ours:
    """One side of a comparison, with random images."""
    from benchmarks.gpu.material import pixels

    images, labels = pixels(count, image_size)
    return Ours(images, labels, batch_size, backbone=backbone, variant=variant, repeatable=repeatable)
