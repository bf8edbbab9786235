"""Gathers the moments of blocks of images, for a jackknife, and of mismatched pairs, for the chance level.

The moments take most of the memory of a comparison (2048 channels squared for every network, pair and block). Each
block is therefore summed separately, and then written into the stack of blocks in place.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from tljax.compare.activations import Activations, Batch, samples, scales
from tljax.compare.memory import free_bytes
from tljax.compare.pairing import positions
from tljax.core.devices import replicated
from tljax.core.errors import UserError
from tljax.similarity import moments
from tljax.similarity.moments import Moments, PairName, mismatched

LayerPairs = dict[PairName, tuple[tuple[str, str], tuple[str, str]]]  # by pair of views: two networks, two layers
SPARE = 4  # blocks of the largest group that adding a batch needs in addition; a jackknife needs fewer


class Gathered(NamedTuple):
    """The moments of some pairs of layers."""

    blocks: Moments
    """Of each block of images, stacked."""
    mismatched: Moments
    """Of each pair (a, mismatched b), over all images."""


def views_of(layer_pairs: LayerPairs) -> list[str]:
    """Returns the name of every view, once."""
    return list(dict.fromkeys(name for names in layer_pairs for name in names))


def gather(
    groups: Sequence[LayerPairs],
    batches: Iterable[Batch],
    block_of: Int[np.ndarray, " batches"],
    widths: dict[str, int],
    mesh: Mesh,
) -> list[Gathered]:
    """Returns the moments of each group of pairs of layers.

    Args:
        batches: those of one block follow each other.
        block_of: the number of each batch's block.
        widths: the number of channels of each view.
    """
    like = [_like(layer_pairs, widths, int(block_of.max()) + 1) for layer_pairs in groups]
    stacks, mismatches = (_zeros([both[part] for both in like], mesh) for part in (0, 1))
    scale = None
    for number, members in groupby(zip(block_of, batches, strict=True), key=lambda member: member[0]):
        block = _zeros([_first(stack) for stack, _ in like], mesh)
        for _, batch in members:
            scale = scales(batch.activations) if scale is None else scale
            for index, layer_pairs in enumerate(groups):  # one program at a time, because each needs its own memory
                views, factors = (
                    {name: of[name] for name in views_of(layer_pairs)} for of in (batch.activations, scale)
                )
                block[index], mismatches[index] = jax.block_until_ready(
                    _added(block[index], mismatches[index], views, factors, batch.sample, batch.partner)
                )
        for index, stack in enumerate(stacks):
            stacks[index] = jax.block_until_ready(_written(stack, jnp.asarray(number), block[index]))
        del block  # before the next is made
    return [Gathered(*both) for both in zip(stacks, mismatches, strict=True)]


def bytes_of(groups: Iterable[LayerPairs], widths: dict[str, int], blocks: int) -> int:
    """Returns the largest number of bytes that the moments take, computed from the shapes alone."""
    like = [_like(layer_pairs, widths, blocks) for layer_pairs in groups]
    size = [[sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(part)) for part in both] for both in like]
    every = sum(stack + stack // blocks + mismatch for stack, mismatch in size)
    return every + SPARE * max(stack // blocks for stack, _ in size)


def require_memory(groups: Sequence[LayerPairs], widths: dict[str, int], blocks: int) -> None:
    """Raises `UserError` if the moments do not fit into memory, before anything is computed."""
    wanted, free = bytes_of(groups, widths, blocks), free_bytes()
    if wanted > free:
        raise UserError(
            f"this comparison needs {wanted / 1e9:.1f} GB of memory, but {free / 1e9:.1f} GB are free: "
            "compare fewer networks or pairs at a time, or add --pool gap or --protocol paper"
        )


def grouped(parts: Sequence[LayerPairs], widths: dict[str, int], blocks: int, budget: float) -> list[LayerPairs]:
    """Joins consecutive parts into groups as long as the moments take at most `budget` bytes.

    The pairs of a joined group share the moments of their views.
    """
    groups = [parts[0]]
    for each in parts[1:]:
        joined = groups[-1] | each
        if bytes_of([joined], widths, blocks) <= budget:
            groups[-1] = joined
        else:
            groups.append(each)
    return groups


def _like(layer_pairs: LayerPairs, widths: dict[str, int], blocks: int) -> tuple[Moments, Moments]:
    """Returns the shapes of the stacked blocks and of the mismatched pairs."""
    own = {name: widths[name] for name in views_of(layer_pairs)}
    block = jax.eval_shape(lambda: moments.empty(own, layer_pairs))
    stack = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((blocks, *leaf.shape), leaf.dtype), block)
    both = {a: widths[a] for a, _ in layer_pairs} | {mismatched(b): widths[b] for _, b in layer_pairs}
    pairs = [(a, mismatched(b)) for a, b in layer_pairs]
    return stack, jax.eval_shape(lambda: moments.empty(both, pairs, own=False))


def _first(stack: Moments) -> Moments:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), stack)


def _zeros(like: list[Moments], mesh: Mesh) -> list[Moments]:
    """Returns moments of zeros on all devices."""
    everywhere = replicated(mesh)
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype, device=everywhere), like)


@partial(jax.jit, donate_argnums=(0, 1))
def _added(
    block: Moments,
    mismatches: Moments,
    activations: Activations,
    scale: dict[str, Float[Array, ""]],
    sample: Bool[Array | np.ndarray, " b"],
    partner: Int[Array | np.ndarray, " b"],
) -> tuple[Moments, Moments]:
    views = {name: samples(activation) * scale[name] for name, activation in activations.items()}
    each = next(iter(views.values())).shape[0] // sample.size
    weight, others = jnp.repeat(sample, each), positions(partner, each)
    paired = {
        name: views[name] if name in views else views[name.removesuffix(mismatched(""))][others]
        for name in mismatches.mean
    }
    return moments.added(block, views, weight), moments.added(mismatches, paired, weight)


@partial(jax.jit, donate_argnums=0)
def _written(stack: Moments, number: Int[Array, ""], block: Moments) -> Moments:
    return jax.tree.map(lambda leaf, new: leaf.at[number].set(new), stack, block)
