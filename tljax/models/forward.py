"""Runs the forward pass of one network in inference mode, from images to pooled features and activations."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, UInt8

from tljax.core.devices import data_mesh, replicated
from tljax.core.pipeline import stream
from tljax.core.progress import progress_bar
from tljax.models.normalisation import Normalisation


class Forward:
    """The forward pass of a network whose parameters are on all devices.

    Args:
        model: a backbone in inference mode.
        normalisation: the input normalisation, applied to the images first.
        layers: names of the layers whose activations are returned.
        mesh: the devices; None: all devices.
    """

    def __init__(
        self, model: nnx.Module, normalisation: Normalisation, layers: tuple[str, ...] = (), mesh: Mesh | None = None
    ):
        self.layers, self.mesh = tuple(layers), mesh or data_mesh()
        self._normalisation = normalisation
        self._graph, state = nnx.split(model)
        self.state = jax.device_put(state, replicated(self.mesh))

    def __call__(
        self, images: UInt8[Array, "b h w 3"]
    ) -> tuple[Float[Array, "b c"], dict[str, Float[Array, "b _h _w _c"]]]:
        """Returns the pooled features and, by name, the activations of `layers`."""
        return self.apply(self.state, images)

    def apply(
        self, state: Any, images: UInt8[Array, "b h w 3"]
    ) -> tuple[Float[Array, "b c"], dict[str, Float[Array, "b _h _w _c"]]]:
        """Returns the same for given parameters, for use inside compiled programs."""
        return _forward(self._graph, state, self._normalisation, self.layers, images)

    def shapes(self, image_size: tuple[int, int]) -> dict[str, tuple[int, int, int]]:
        """Returns height, width and channels of each of `layers`, without running the network."""
        images = jax.ShapeDtypeStruct((1, *image_size, 3), jnp.uint8)
        _, activations = jax.eval_shape(self.__call__, images)
        return {name: found.shape[1:] for name, found in activations.items()}

    def over(
        self, images: UInt8[np.ndarray, "n h w 3"], batch_size: int = 32, progress: bool = False
    ) -> Iterator[tuple[Float[Array, "b c"], dict[str, Float[Array, "b _h _w _c"]], Bool[Array, " b"]]]:
        """Yields features, activations and mask of all images in order, in batches of the same shape.

        The mask is false for rows that only fill up a batch. The images may be memory-mapped.
        """
        table = even_batches(np.arange(len(images)), batch_size, self.mesh.size)
        with progress_bar("images", len(images), progress) as advance:
            batches = stream(images, np.zeros(len(images), np.int32), table, self.mesh)
            for (batch, _, mask), rows in zip(batches, table, strict=True):
                features, activations = self(batch)
                yield features, activations, mask
                advance(int((rows >= 0).sum()))


def even_batches(rows: Int[np.ndarray, " n"], batch_size: int, devices: int = 1) -> Int[np.ndarray, "steps slots"]:
    """Divides `rows` into nearly equal batches, each filled up with -1 to the same size, a multiple of `devices`."""
    parts = np.array_split(rows, max(-(-len(rows) // batch_size), 1))
    slots = len(parts[0]) + -len(parts[0]) % devices
    return np.stack([np.pad(part, (0, slots - len(part)), constant_values=-1) for part in parts])


@partial(jax.jit, static_argnames=("graph", "normalisation", "layers"))
def _forward(graph: Any, state: Any, normalisation: Normalisation, layers: tuple[str, ...], images: Array) -> tuple:
    model = nnx.merge(graph, state, copy=True)
    return model.features(normalisation(images.astype(jnp.float32)), layers)
