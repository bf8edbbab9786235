"""How a data set reaches the engine: whole in device memory, streamed from disk, or as features of a frozen backbone."""

from collections.abc import Iterator
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from tljax import engine
from tljax.devices import fits_on_device, replicated
from tljax.pipeline import on_device, stream

Rows = Int[np.ndarray, " n"]


class Feed(Protocol):
    """Training epochs over some rows of a data set, and what the network says of others. Results are still on their way."""

    def epoch(self, state: engine.TrainState, rows: Rows, key: Key[Array, ""]) -> tuple:
        """(state, sums of loss and of right answers); the given state is consumed."""
        ...

    def infer(self, state: engine.TrainState, rows: Rows, output: str = "logits") -> Float[Array, "n c"]:
        """`logits` or `features`, in inference mode."""
        ...


class DeviceFeed:
    """Everything on the device: an epoch is one program, and the host waits."""

    def __init__(self, graphs: tuple[Any, Any], recipe: engine.Recipe, inputs: Array, labels: Array):
        self._epoch = engine.make_epoch(graphs[0], recipe)
        self._infer = {output: engine.make_inference(graphs[1], recipe, output) for output in ("logits", "features")}
        self._inputs, self._labels, self._sharding = inputs, labels, replicated(recipe.mesh)

    def epoch(self, state: engine.TrainState, rows: Rows, key: Key[Array, ""]) -> tuple:
        return self._epoch(state, self._inputs, self._labels, self._place(rows), jax.device_put(key, self._sharding))

    def infer(self, state: engine.TrainState, rows: Rows, output: str = "logits") -> Float[Array, "n c"]:
        return self._infer[output](state, self._inputs, self._place(rows))

    def _place(self, rows: Rows) -> Int[Array, " n"]:
        return jax.device_put(rows.astype(np.int32), self._sharding)


class StreamFeed:
    """Batches from a memory-mapped array, the next ones on their way while the current one computes."""

    def __init__(
        self,
        graphs: tuple[Any, Any],
        recipe: engine.Recipe,
        images: Shaped[np.ndarray, "n h w 3"],
        labels: Int[np.ndarray, " n"],
    ):
        self._step = engine.make_step(graphs[0], recipe)
        self._forward = {output: engine.make_forward(graphs[1], recipe, output) for output in ("logits", "features")}
        self._images, self._labels, self._recipe = images, labels, recipe

    def epoch(self, state: engine.TrainState, rows: Rows, key: Key[Array, ""]) -> tuple:
        shuffle_key, step_key = jax.random.split(key)
        order = np.asarray(jax.random.permutation(shuffle_key, jnp.asarray(rows, jnp.int32)))
        total = None
        for number, (images, labels, mask) in enumerate(self._batches(order)):
            state, sums = self._step(state, images, labels, mask, jax.random.fold_in(step_key, number))
            total = sums if total is None else jax.tree.map(jnp.add, total, sums)
        return state, total

    def infer(self, state: engine.TrainState, rows: Rows, output: str = "logits") -> Float[Array, "n c"]:
        size = self._recipe.batch_size
        parts = [self._forward[output](state, images)[:size] for images, _, _ in self._batches(rows)]
        return jnp.concatenate(parts)[: len(rows)]

    def _batches(self, rows: Rows) -> Iterator[tuple[Array, Array, Array]]:
        table = engine.batch_table(jnp.asarray(rows, jnp.int32), self._recipe.batch_size, self._recipe.mesh)
        return stream(self._images, self._labels, np.asarray(table), self._recipe.mesh)


class HeadFeed:
    """The head on a frozen backbone: features that no augmentation touches are computed once."""

    def __init__(
        self,
        images: Feed,
        graphs: tuple[Any, Any],
        recipe: engine.Recipe,
        state: engine.TrainState,
        labels: Int[np.ndarray, " n"],
        fold_rows: tuple[Rows, Rows],
    ):
        train, val = fold_rows
        kept = val if recipe.augment else np.concatenate([train, val])
        features = images.infer(state, kept, "features")
        self._features = DeviceFeed(graphs, recipe, features, on_device(labels[kept], recipe.mesh))
        self._train_on_images, self._images = recipe.augment, images
        self._place = np.full(len(labels), -1)
        self._place[kept] = np.arange(len(kept))

    def epoch(self, state: engine.TrainState, rows: Rows, key: Key[Array, ""]) -> tuple:
        if self._train_on_images:
            return self._images.epoch(state, rows, key)
        return self._features.epoch(state, self._place[rows], key)

    def infer(self, state: engine.TrainState, rows: Rows, output: str = "logits") -> Float[Array, "n c"]:
        if output == "logits" and (self._place[rows] >= 0).all():
            return self._features.infer(state, self._place[rows])
        return self._images.infer(state, rows, output)


def make_feed(
    storage: str,
    graphs: tuple[Any, Any],
    recipe: engine.Recipe,
    state: engine.TrainState,
    images: Shaped[np.ndarray, "n h w 3"],
    labels: Int[np.ndarray, " n"],
    fold_rows: tuple[Rows, Rows],
) -> Feed:
    """The feed that suits the data, the devices and what is trained.

    storage: `device`, `stream`, or `auto`: on the device where it fits and one process holds it all. fold_rows: those
    of training and of validation.
    """
    if storage == "device" or (storage == "auto" and jax.process_count() == 1 and fits_on_device(images.nbytes)):
        feed = DeviceFeed(graphs, recipe, on_device(images, recipe.mesh), on_device(labels, recipe.mesh))
    else:
        feed = StreamFeed(graphs, recipe, images, labels)
    return HeadFeed(feed, graphs, recipe, state, labels, fold_rows) if recipe.scope == "head" else feed
