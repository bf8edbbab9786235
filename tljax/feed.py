"""Two ways to bring a data set to the engine: lying whole in device memory, or streamed from disk."""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from tljax import engine
from tljax.devices import fits_on_device, replicated
from tljax.pipeline import on_device, stream


class Feed(Protocol):
    """Training epochs over some rows of a data set, and logits of others."""

    def epoch(self, state: engine.TrainState, rows: Int[np.ndarray, " n"], key: Key[Array, ""]) -> tuple:
        """(state, sums of loss and right answers); the given state is consumed. The result is still on its way."""
        ...

    def logits(self, state: engine.TrainState, rows: Int[np.ndarray, " n"]) -> Float[Array, "n k"]: ...


class DeviceFeed:
    """Everything on the device: an epoch is one program, and the host waits."""

    def __init__(self, graphs: tuple[Any, Any], recipe: engine.Recipe, inputs: Array, labels: Array):
        self._epoch, self._logits = engine.make_epoch(graphs[0], recipe), engine.make_logits(graphs[1], recipe)
        self._inputs, self._labels, self._mesh = inputs, labels, recipe.mesh

    def epoch(self, state: engine.TrainState, rows: Int[np.ndarray, " n"], key: Key[Array, ""]) -> tuple:
        return self._epoch(state, self._inputs, self._labels, self._place(rows), self._place(key))

    def logits(self, state: engine.TrainState, rows: Int[np.ndarray, " n"]) -> Float[Array, "n k"]:
        return self._logits(state, self._inputs, self._place(rows))

    def _place(self, value: Any) -> Array:
        if isinstance(value, np.ndarray):
            value = jnp.asarray(value, jnp.int32)
        return jax.device_put(value, replicated(self._mesh))


class StreamFeed:
    """Batches from a memory-mapped array, the next ones on their way while the current one computes."""

    def __init__(
        self,
        graphs: tuple[Any, Any],
        recipe: engine.Recipe,
        images: Shaped[np.ndarray, "n h w 3"],
        labels: Int[np.ndarray, " n"],
    ):
        self._step, self._forward = engine.make_step(graphs[0], recipe), engine.make_forward(graphs[1], recipe)
        self._images, self._labels, self._recipe = images, labels, recipe

    def epoch(self, state: engine.TrainState, rows: Int[np.ndarray, " n"], key: Key[Array, ""]) -> tuple:
        shuffle_key, step_key = jax.random.split(key)
        order = np.asarray(jax.random.permutation(shuffle_key, jnp.asarray(rows, jnp.int32)))
        total = None
        for number, (images, labels, mask) in enumerate(self._batches(order)):
            state, sums = self._step(state, images, labels, mask, jax.random.fold_in(step_key, number))
            total = sums if total is None else jax.tree.map(jnp.add, total, sums)
        return state, total

    def logits(self, state: engine.TrainState, rows: Int[np.ndarray, " n"]) -> Float[Array, "n k"]:
        size = self._recipe.batch_size
        parts = [self._forward(state, images)[:size] for images, _, _ in self._batches(rows)]
        return jnp.concatenate(parts)[: len(rows)]

    def _batches(self, rows: Int[np.ndarray, " n"]) -> Any:
        table = np.asarray(engine.batch_table(jnp.asarray(rows, jnp.int32), self._recipe.batch_size, self._recipe.mesh))
        return stream(self._images, self._labels, table, self._recipe.mesh)


def make_feed(
    storage: str,
    graphs: tuple[Any, Any],
    recipe: engine.Recipe,
    images: Shaped[np.ndarray, "n h w 3"],
    labels: Int[np.ndarray, " n"],
) -> Feed:
    """storage: "device", "stream", or "auto": on the device where it fits and one process can hold it all."""
    resident = storage == "device" or (storage == "auto" and jax.process_count() == 1 and fits_on_device(images.nbytes))
    if resident:
        return DeviceFeed(graphs, recipe, on_device(images, recipe.mesh), on_device(labels, recipe.mesh))
    return StreamFeed(graphs, recipe, images, labels)
