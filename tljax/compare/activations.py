"""Computes the activations of several networks for the same images, in batches on the devices."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, UInt8

from tljax.compare.pairing import Batches
from tljax.core.devices import data_mesh, replicated
from tljax.core.errors import UserError
from tljax.core.pipeline import on_device, stream
from tljax.core.progress import progress_bar
from tljax.models.forward import Forward
from tljax.similarity.arrays import RANGE
from tljax.weights.networks import Network

Activations = Mapping[str, Float[Array | np.ndarray, "b *positions c"]]  # by view; without positions if pooled
ALL_ZERO = np.iinfo(np.int32).min  # the exponent of a channel that is 0 everywhere


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Batch:
    """The activations of a batch of images."""

    activations: Activations
    rows: Int[Array, " b"] | None
    """Numbers of the images."""
    sample: Bool[Array | np.ndarray, " b"]
    """False for images that are shown only as partners of others, or that pad the batch."""
    partner: Int[Array | np.ndarray, " b"]
    """The slot, in this batch, of each image's mismatched image."""


def unique_labels(networks: Sequence[Network]) -> list[str]:
    """Returns the networks' labels; further networks with the same label get a number: `imagenet (2)`."""
    labels = [network.label for network in networks]
    return [
        label if (before := labels[:index].count(label)) == 0 else f"{label} ({before + 1})"
        for index, label in enumerate(labels)
    ]


def view(label: str, layer: str) -> str:
    """Returns the name of the view of a network's layer: `block1 of imagenet`."""
    return f"{layer} of {label}"


class ForwardPass:
    """Runs the networks on the devices and returns the requested layers of each."""

    def __init__(self, networks: Sequence[Network], layers: Sequence[tuple[str, ...]]):
        self.labels, self.layers, self.mesh = unique_labels(networks), layers, data_mesh()
        self._passes = [
            Forward(network.model, network.normalisation, names, self.mesh)
            for network, names in zip(networks, layers, strict=True)
        ]

    def shapes(self, image_size: tuple[int, int]) -> dict[str, tuple[int, int, int]]:
        """Returns height, width and channels of every view, without running a network."""
        return {
            view(label, layer): shape
            for label, forward in zip(self.labels, self._passes, strict=True)
            for layer, shape in forward.shapes(image_size).items()
        }

    def batches(self, images: UInt8[np.ndarray, "n h w 3"], batches: Batches, progress: bool) -> Iterator[Batch]:
        """Yields every batch with the activations of every layer of every network."""
        rows = np.arange(len(images), dtype=np.int32)
        sample, partner = (on_device(table, self.mesh) for table in (batches.sample, batches.partner))
        with progress_bar("images", int(batches.sample.sum()), progress) as advance:
            streamed = stream(images, rows, batches.rows, self.mesh)
            for step, (pixels, numbers, _) in enumerate(streamed):
                activations = {
                    view(label, layer): found
                    for label, forward in zip(self.labels, self._passes, strict=True)
                    for layer, found in forward(pixels)[1].items()
                }
                yield Batch(activations, numbers, sample[step], partner[step])
                jax.block_until_ready(activations)  # keeps one batch of them at a time
                advance(int(batches.sample[step].sum()))


def require_same_positions(shapes: dict[str, tuple[int, int, int]], pairs: Iterable[tuple[str, str]]) -> None:
    """Raises `UserError` if two views have grids of different sizes, whose positions do not correspond."""
    for a, b in pairs:
        if shapes[a][:2] != shapes[b][:2]:
            (h1, w1, _), (h2, w2, _) = shapes[a], shapes[b]
            raise UserError(
                f"{a} has a grid of {h1} x {w1} positions, {b} one of {h2} x {w2}, which do not correspond: average "
                "over positions with --protocol full --pool gap"
            )


def samples(activation: Float[Array | np.ndarray, "b *positions c"]) -> Float[Array | np.ndarray, "n c"]:
    """Returns the samples: each position of each image, or each image if the positions are pooled."""
    return activation.reshape(-1, activation.shape[-1])


def pooled(batch: Batch, mesh: Mesh) -> Batch:
    """Returns the batch with each image averaged over its positions, as NumPy arrays."""

    def average(activations: Activations) -> dict[str, Float[Array, "b c"]]:
        return {name: activation.mean((1, 2)) for name, activation in activations.items()}

    activations = jax.jit(average, out_shardings=replicated(mesh))(batch.activations)
    return jax.device_get(Batch(activations, None, batch.sample, batch.partner))


def scales(activations: Activations) -> dict[str, Float[Array, ""]]:
    """Returns, for each view, the power of two that scales its largest value to between 0.5 and 1.

    No measure depends on this factor, but float32 cannot represent fourth powers of very small or large activations.

    Raises:
        UserError: one channel is so much larger than most others that float32 cannot represent the squares of both.
    """
    found = _scales(activations)
    spread = jax.device_get({name: exponents for name, (_, exponents) in found.items()})
    for name, exponents in spread.items():
        exponents = exponents[exponents > ALL_ZERO]
        if len(exponents) and exponents.max() - np.median(exponents) > RANGE:
            raise UserError(
                f"a channel of {name} is 2^{int(exponents.max() - np.median(exponents))} times as large as most "
                "others, too much for float32: compare stored activations by tljax.similarity with dtype float64"
            )
    return {name: scale for name, (scale, _) in found.items()}


@jax.jit
def _scales(activations: Activations) -> dict[str, tuple[Float[Array, ""], Int[Array, " c"]]]:
    def scale(activation: Float[Array | np.ndarray, "b *positions c"]) -> tuple[Float[Array, ""], Int[Array, " c"]]:
        largest = jnp.abs(samples(activation)).max(axis=0).astype(jnp.float32)
        largest = jnp.where(jnp.isfinite(largest), largest, 1)
        _, exponents = jnp.frexp(largest)
        _, exponent = jnp.frexp(largest.max())
        return jnp.ldexp(jnp.ones((), jnp.float32), -exponent), jnp.where(largest > 0, exponents, ALL_ZERO)

    return {name: scale(activation) for name, activation in activations.items()}
