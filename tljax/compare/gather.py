"""Moments of blocks of images, for a jackknife, and of mismatched pairs, for the level by chance.

They take most of the memory of a comparison (2048 channels squared for every network, pair and block). Each block is
therefore summed separately, and then written into the stack of blocks in place.
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

from tljax.compare.activations import Activations, Batch, samples, units
from tljax.compare.memory import free_bytes
from tljax.compare.pairing import positions
from tljax.core.devices import replicated
from tljax.core.errors import UserError
from tljax.similarity import moments
from tljax.similarity.moments import Moments, PairName, mismatched

Cells = dict[PairName, tuple[tuple[str, str], tuple[str, str]]]  # two views: their networks, their layers
SPARE = 4  # blocks of the largest group that adding a batch needs in addition; a jackknife needs fewer


class Gathered(NamedTuple):
    """The moments of some cells."""

    blocks: Moments  # of each block, stacked
    mismatched: Moments  # of each pair (a, mismatched b), over all images


def views_of(cells: Cells) -> list[str]:
    return list(dict.fromkeys(name for names in cells for name in names))


def gather(
    groups: Sequence[Cells],
    batches: Iterable[Batch],
    block_of: Int[np.ndarray, " batches"],
    widths: dict[str, int],
    mesh: Mesh,
) -> list[Gathered]:
    """Returns the moments of each group of cells. The batches of a block follow each other.

    widths: channels by view.
    """
    like = [_like(cells, widths, int(block_of.max()) + 1) for cells in groups]
    stacks, mismatches = (_zeros([both[part] for both in like], mesh) for part in (0, 1))
    scale = None
    for number, members in groupby(zip(block_of, batches, strict=True), key=lambda member: member[0]):
        block = _zeros([_first(stack) for stack, _ in like], mesh)
        for _, batch in members:
            scale = units(batch.activations) if scale is None else scale
            for index, cells in enumerate(groups):  # one program at a time, because each has its own memory
                views, scales = ({name: of[name] for name in views_of(cells)} for of in (batch.activations, scale))
                block[index], mismatches[index] = jax.block_until_ready(
                    _added(block[index], mismatches[index], views, scales, batch.sample, batch.partner)
                )
        for index, stack in enumerate(stacks):
            stacks[index] = jax.block_until_ready(_written(stack, jnp.asarray(number), block[index]))
        del block  # before the next is made
    return [Gathered(*both) for both in zip(stacks, mismatches, strict=True)]


def bytes_of(groups: Iterable[Cells], widths: dict[str, int], blocks: int) -> int:
    """Returns how many bytes the moments take at most, from the shapes alone."""
    like = [_like(cells, widths, blocks) for cells in groups]
    size = [[sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(part)) for part in both] for both in like]
    every = sum(stack + stack // blocks + mismatch for stack, mismatch in size)
    return every + SPARE * max(stack // blocks for stack, _ in size)


def require_memory(groups: Sequence[Cells], widths: dict[str, int], blocks: int) -> None:
    """Raises `UserError` where the moments do not fit into memory, before anything is computed."""
    wanted, free = bytes_of(groups, widths, blocks), free_bytes()
    if free is not None and wanted > free:
        raise UserError(
            f"this comparison would take {wanted / 1e9:.1f} GB of memory, of which {free / 1e9:.1f} GB are free: "
            "compare fewer networks or pairs at a time, or add --pool gap or --protocol paper"
        )


def grouped(cells: Sequence[Cells], widths: dict[str, int], blocks: int, budget: float) -> list[Cells]:
    """Returns `cells` joined in order, as long as the moments stay under `budget` bytes. Groups share views."""
    groups = [cells[0]]
    for each in cells[1:]:
        joined = groups[-1] | each
        if bytes_of([joined], widths, blocks) <= budget:
            groups[-1] = joined
        else:
            groups.append(each)
    return groups


def _like(cells: Cells, widths: dict[str, int], blocks: int) -> tuple[Moments, Moments]:
    """Returns the shapes of the stacked blocks and of the mismatched pairs."""
    own = {name: widths[name] for name in views_of(cells)}
    block = jax.eval_shape(lambda: moments.empty(own, cells))
    stack = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((blocks, *leaf.shape), leaf.dtype), block)
    both = {a: widths[a] for a, _ in cells} | {mismatched(b): widths[b] for _, b in cells}
    pairs = [(a, mismatched(b)) for a, b in cells]
    return stack, jax.eval_shape(lambda: moments.empty(both, pairs, own=False))


def _first(stack: Moments) -> Moments:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), stack)


def _zeros(like: list[Moments], mesh: Mesh) -> list[Moments]:
    """Returns zeros on the devices."""
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
