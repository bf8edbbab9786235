"""Feeds a data set to the engine: from device memory, streamed, or as features of a frozen backbone."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from tljax.core.devices import fits_on_device, replicated
from tljax.core.pipeline import on_device, stream
from tljax.datasets import Dataset
from tljax.datasets.folds import Fold
from tljax.train import engine

Rows = Int[np.ndarray, " n"]


@runtime_checkable
class Feed(Protocol):
    """Trains for an epoch on some rows of a data set, and predicts others. Neither call waits for the device."""

    def epoch(self, state: engine.TrainState, rows: Rows, key: Key[Array, ""]) -> tuple:
        """Returns (state, sums of loss and of right answers); the given state is consumed."""
        ...

    def infer(self, weights: engine.Weights, rows: Rows, output: str = "logits") -> Float[Array, "n c"]:
        """Returns `logits` or `features`, in inference mode."""
        ...


def _inference(graph: Any, recipe: engine.Recipe) -> Callable:
    """Returns infer(output, weights, batches, count), which gives the first `count` rows over all batches."""
    programs = {output: engine.make_inference(graph, recipe, output) for output in ("logits", "features")}

    def infer(output: str, weights: engine.Weights, batches: Iterable[Array], count: int) -> Float[Array, "n c"]:
        parts = [programs[output](weights, inputs)[: recipe.batch_size] for inputs in batches]
        return jnp.concatenate(parts)[:count]

    return infer


class DeviceFeed:
    """Holds everything on the device: an epoch is one program."""

    def __init__(self, graphs: tuple[Any, Any], recipe: engine.Recipe, inputs: Array, labels: Array):
        self._epoch, self._infer = engine.make_epoch(graphs[0], recipe), _inference(graphs[1], recipe)
        self._inputs, self._labels, self._recipe = inputs, labels, recipe

    def epoch(self, state: engine.TrainState, rows: Rows, key: Key[Array, ""]) -> tuple:
        rows, key = jax.device_put((rows.astype(np.int32), key), replicated(self._recipe.mesh))
        return self._epoch(state, self._inputs, self._labels, rows, key)

    def infer(self, weights: engine.Weights, rows: Rows, output: str = "logits") -> Float[Array, "n c"]:
        table = jax.device_put(_batches(rows, self._recipe), replicated(self._recipe.mesh))
        return self._infer(output, weights, (self._inputs[index] for index in table), len(rows))


class StreamFeed:
    """Streams batches from a memory-mapped array; the next ones are loaded while the current one is computed."""

    def __init__(
        self,
        graphs: tuple[Any, Any],
        recipe: engine.Recipe,
        images: Shaped[np.ndarray, "n h w 3"],
        labels: Int[np.ndarray, " n"],
    ):
        self._step, self._infer = engine.make_step(graphs[0], recipe), _inference(graphs[1], recipe)
        self._images, self._labels, self._recipe = images, labels, recipe

    def epoch(self, state: engine.TrainState, rows: Rows, key: Key[Array, ""]) -> tuple:
        shuffle_key, step_key = jax.random.split(key)
        order = np.asarray(jax.random.permutation(shuffle_key, jnp.asarray(rows, jnp.int32)))
        total = None
        for number, (images, labels, mask) in enumerate(self._stream(order)):
            state, sums = self._step(state, images, labels, mask, jax.random.fold_in(step_key, number))
            total = sums if total is None else jax.tree.map(jnp.add, total, sums)
        return state, total

    def infer(self, weights: engine.Weights, rows: Rows, output: str = "logits") -> Float[Array, "n c"]:
        return self._infer(output, weights, (images for images, _, _ in self._stream(rows)), len(rows))

    def _stream(self, rows: Rows) -> Iterator[tuple[Array, Array, Array]]:
        return stream(self._images, self._labels, _batches(rows, self._recipe), self._recipe.mesh)


def _batches(rows: Rows, recipe: engine.Recipe) -> Int[np.ndarray, "steps slots"]:
    return np.asarray(engine.batch_table(jnp.asarray(rows, jnp.int32), recipe.batch_size, recipe.mesh.size))


class HeadFeed:
    """Trains the head on a frozen backbone; features of images that are not augmented are computed once."""

    def __init__(
        self,
        images: Feed,
        graphs: tuple[Any, Any],
        recipe: engine.Recipe,
        weights: engine.Weights,
        labels: Int[np.ndarray, " n"],
        fold: Fold,
    ):
        kept = fold.val if recipe.augment else np.concatenate([fold.train, fold.val])
        features = images.infer(weights, kept, "features")
        self._features = DeviceFeed(graphs, recipe, features, on_device(labels[kept], recipe.mesh))
        self._train_on_images, self._images = recipe.augment, images
        self._place = np.full(len(labels), -1)
        self._place[kept] = np.arange(len(kept))

    def epoch(self, state: engine.TrainState, rows: Rows, key: Key[Array, ""]) -> tuple:
        if self._train_on_images:
            return self._images.epoch(state, rows, key)
        return self._features.epoch(state, self._place[rows], key)

    def infer(self, weights: engine.Weights, rows: Rows, output: str = "logits") -> Float[Array, "n c"]:
        if output == "logits" and (self._place[rows] >= 0).all():
            return self._features.infer(weights, self._place[rows])
        return self._images.infer(weights, rows, output)


def make_feed(
    storage: str,
    graphs: tuple[Any, Any],
    recipe: engine.Recipe,
    weights: engine.Weights,
    data: Dataset,
    fold: Fold,
) -> Feed:
    """Returns the feed that suits the data, the devices and what is trained.

    storage: `device`, `stream`, or `auto`: on the device if the data fit and one process holds all of them.
    """
    images, labels = data.images, data.labels
    if storage == "device" or (storage == "auto" and jax.process_count() == 1 and fits_on_device(images.nbytes)):
        feed = DeviceFeed(graphs, recipe, on_device(images, recipe.mesh), on_device(labels, recipe.mesh))
    else:
        feed = StreamFeed(graphs, recipe, images, labels)
    return HeadFeed(feed, graphs, recipe, weights, labels, fold) if recipe.scope == "head" else feed
