"""The pass over the images: batches on the devices, and what every network makes of them."""

from collections.abc import Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, UInt8

from tljax.core.devices import data_mesh, replicated
from tljax.core.errors import UserError
from tljax.core.pipeline import stream
from tljax.core.progress import progress_bar
from tljax.models.forward import Forward
from tljax.weights.networks import Network

Activations = dict[str, Float[Array | np.ndarray, "b *positions c"]]  # by view; pooled: without positions


def unique_labels(networks: Sequence[Network]) -> list[str]:
    """The networks' labels; a second network of the same label is told apart by a number."""
    labels = [network.label for network in networks]
    return [
        label if (before := labels[:index].count(label)) == 0 else f"{label} ({before + 1})"
        for index, label in enumerate(labels)
    ]


def view(label: str, layer: str) -> str:
    return f"{layer} of {label}"


class Sweep:
    """The networks on the devices, and the layers wanted of each."""

    def __init__(self, networks: Sequence[Network], layers: Sequence[tuple[str, ...]]):
        self.labels, self.layers, self.mesh = unique_labels(networks), layers, data_mesh()
        self._passes = [
            Forward(network.model, network.normalisation, names, self.mesh)
            for network, names in zip(networks, layers, strict=True)
        ]

    def shapes(self, image_size: tuple[int, int]) -> dict[str, tuple[int, int, int]]:
        """Height, width and channels of every view, without running anything."""
        return {
            view(label, layer): shape
            for label, forward in zip(self.labels, self._passes, strict=True)
            for layer, shape in forward.shapes(image_size).items()
        }

    def activations(self, images: UInt8[Array, "b h w 3"]) -> Activations:
        """Every layer of every network, by view."""
        return {
            view(label, layer): found
            for label, forward in zip(self.labels, self._passes, strict=True)
            for layer, found in forward(images)[1].items()
        }

    def batches(
        self, images: UInt8[np.ndarray, "n h w 3"], table: Int[np.ndarray, "steps slots"], progress: bool
    ) -> Iterator[tuple[Activations, Int[Array, " b"], Bool[Array, " b"]]]:
        """(activations, row numbers, mask) for every row of `table`, in which -1 fills up."""
        rows = np.arange(len(images), dtype=np.int32)
        with progress_bar("images", int((table >= 0).sum()), progress) as advance:
            batches = stream(images, rows, table, self.mesh)
            for (batch, numbers, mask), taken in zip(batches, table, strict=True):
                activations = self.activations(batch)
                yield activations, numbers, mask
                jax.block_until_ready(activations)  # one batch of them at a time is enough to hold
                advance(int((taken >= 0).sum()))


def require_same_positions(shapes: dict[str, tuple[int, int, int]], pairs: Iterable[tuple[str, str]]) -> None:
    """Raises `UserError` where two views have different positions, which cannot be put side by side."""
    for a, b in pairs:
        if shapes[a][:2] != shapes[b][:2]:
            raise UserError(f"{a} is {shapes[a][:2]}, {b} is {shapes[b][:2]} positions: use --protocol full --pool gap")


def batch_table(
    blocks: Sequence[Int[np.ndarray, " _"]], batch_size: int, devices: int
) -> tuple[Int[np.ndarray, "steps slots"], Int[np.ndarray, " steps"]]:
    """Batches of one shape that do not cross blocks, as even as can be, and the block of each.

    None is of one image, which would find no stranger in its batch: those of `batch_size` 1 or 2 are of two or three.
    """
    batches, block_of = [], []
    for number, rows in enumerate(blocks):
        parts = np.array_split(rows, max(min(-(-len(rows) // batch_size), len(rows) // 2), 1))
        batches += parts
        block_of += [number] * len(parts)
    slots = max(map(len, batches))
    slots += -slots % devices
    table = np.full((len(batches), slots), -1)
    for row, batch in zip(table, batches, strict=True):
        row[: len(batch)] = batch
    return table, np.array(block_of)


def samples(activation: Float[Array, "b *positions c"]) -> Float[Array, "n c"]:
    """Each position of each image; the images themselves where they are pooled."""
    return activation.reshape(-1, activation.shape[-1])


def pooled(
    activations: Activations, mask: Bool[Array, " b"], mesh: Mesh
) -> tuple[dict[str, Float[np.ndarray, "b c"]], Bool[np.ndarray, " b"]]:
    """Each image averaged over its positions, in the memory of the host."""

    def average(activations: Activations) -> dict[str, Float[Array, "b c"]]:
        return {name: activation.mean((1, 2)) for name, activation in activations.items()}

    everywhere = replicated(mesh)
    return jax.device_get((jax.jit(average, out_shardings=everywhere)(activations), jax.device_put(mask, everywhere)))


@jax.jit
def units(activations: Activations) -> dict[str, Float[Array, ""]]:
    """For each view the power of two that brings its largest number to 1 (within a factor of two).

    Measures do not see it, and without it the squares of squares of very small or large activations leave float32.
    """

    def unit(activation: Float[Array, "b *positions c"]) -> Float[Array, ""]:
        largest = jnp.abs(activation).max().astype(jnp.float32)
        _, exponent = jnp.frexp(jnp.where(jnp.isfinite(largest), largest, 1))
        return jnp.ldexp(jnp.ones((), jnp.float32), -exponent)

    return {name: unit(activation) for name, activation in activations.items()}


def strangers(mask: Bool[Array, " b"]) -> Int[Array, " b"]:
    """For each image of a batch the next one, the first for the last; `mask` is false for what fills up behind them."""
    following = jnp.arange(1, mask.size + 1)
    return jnp.where(following < mask.sum(), following, 0)


def positions(images: Int[Array, " b"], each: int) -> Int[Array, " n"]:
    """The rows of all positions of these images, where every image has `each` of them."""
    return (images[:, None] * each + jnp.arange(each)[None, :]).reshape(-1)
