"""Moments of blocks of images, for a jackknife, and of all images beside strangers, for the level by chance.

They are the better part of the memory that a comparison takes (2048 channels squared, for every network, pair and
block), so that a block is summed up on its own and written into the stack of blocks once, in place.
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

from tljax.compare.memory import free_bytes
from tljax.compare.sweep import Activations, positions, samples, strangers, units
from tljax.core.devices import replicated
from tljax.core.errors import UserError
from tljax.similarity import moments
from tljax.similarity.moments import Moments, PairName

Cells = dict[PairName, tuple[tuple[str, str], tuple[str, str]]]  # two views: their networks, their layers
Mask = Bool[Array | np.ndarray, " b"]  # false for what only fills a batch up
Batch = tuple[Activations, Mask]
SPARE = 4  # blocks of the largest group that adding a batch needs beside those gathered, and a jackknife less


class Gathered(NamedTuple):
    """The moments of some cells."""

    blocks: Moments  # of each block, stacked
    whole: Moments  # of all images, with the pairs beside strangers


def views_of(cells: Cells) -> list[str]:
    return list(dict.fromkeys(name for names in cells for name in names))


def gather(
    groups: Sequence[Cells],
    batches: Iterable[Batch],
    block_of: Int[np.ndarray, " batches"],
    widths: dict[str, int],
    mesh: Mesh,
) -> list[Gathered]:
    """What `groups` of cells take of the batches, those of a block one after the other. `widths`: channels by view."""
    like = [_like(cells, widths, int(block_of.max()) + 1) for cells in groups]
    stacks, wholes = _zeros([stack for stack, _ in like], mesh), _zeros([whole for _, whole in like], mesh)
    scale = None
    for number, members in groupby(zip(block_of, batches, strict=True), key=lambda member: member[0]):
        block = _zeros([_first(stack) for stack, _ in like], mesh)
        for _, (activations, mask) in members:
            scale = units(activations) if scale is None else scale
            for index, cells in enumerate(groups):  # not all in one program, which would hold what each needs at once
                views, scales = ({name: of[name] for name in views_of(cells)} for of in (activations, scale))
                block[index], wholes[index] = _added(block[index], wholes[index], views, scales, mask)
                jax.block_until_ready(wholes[index])  # nor several programs at once
        for index in range(len(groups)):
            stacks[index] = jax.block_until_ready(_written(stacks[index], jnp.asarray(number), block.pop(0)))
    return [Gathered(*both) for both in zip(stacks, wholes, strict=True)]


def bytes_of(groups: Iterable[Cells], widths: dict[str, int], blocks: int) -> int:
    """What the moments take at the most, from the shapes alone."""
    like = [_like(cells, widths, blocks) for cells in groups]
    size = [[sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(part)) for part in both] for both in like]
    return sum(stack + stack // blocks + whole for stack, whole in size) + SPARE * max(s // blocks for s, _ in size)


def require_memory(groups: Sequence[Cells], widths: dict[str, int], blocks: int) -> None:
    """Raises `UserError` where the moments cannot fit: better than being killed halfway."""
    wanted, free = bytes_of(groups, widths, blocks), free_bytes()
    if free is not None and wanted > free:
        raise UserError(
            f"this comparison would take {wanted / 1e9:.1f} GB of memory, of which {free / 1e9:.1f} GB are free: "
            "compare fewer networks or pairs at a time, or add --pool gap or --protocol paper"
        )


def grouped(cells: Sequence[Cells], widths: dict[str, int], blocks: int, budget: float) -> list[Cells]:
    """`cells`, joined in their order as long as their moments stay under `budget` bytes: they share decompositions."""
    groups = [cells[0]]
    for each in cells[1:]:
        joined = groups[-1] | each
        if bytes_of([joined], widths, blocks) <= budget:
            groups[-1] = joined
        else:
            groups.append(each)
    return groups


def _like(cells: Cells, widths: dict[str, int], blocks: int) -> tuple[Moments, Moments]:
    """The shapes of the stacked blocks and of the whole."""
    own = {name: widths[name] for name in views_of(cells)}
    block = jax.eval_shape(lambda: moments.empty(own, cells))
    stack = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((blocks, *leaf.shape), leaf.dtype), block)
    return stack, jax.eval_shape(lambda: moments.empty(own, chance=cells))


def _first(stack: Moments) -> Moments:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), stack)


def _zeros(like: list[Moments], mesh: Mesh) -> list[Moments]:
    """Made where they are to lie."""

    def fill() -> list[Moments]:
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)

    return jax.jit(fill, out_shardings=replicated(mesh))()


@partial(jax.jit, donate_argnums=(0, 1))
def _added(
    block: Moments,
    whole: Moments,
    activations: Activations,
    scale: dict[str, Float[Array, ""]],
    mask: Mask,
) -> tuple[Moments, Moments]:
    views = {name: samples(activation) * scale[name] for name, activation in activations.items()}
    each = next(iter(views.values())).shape[0] // mask.size
    weight = jnp.repeat(mask, each)
    beside = positions(strangers(mask), each)
    return moments.added(block, views, weight), moments.added(whole, views, weight, beside)


@partial(jax.jit, donate_argnums=0)
def _written(stack: Moments, number: Int[Array, ""], block: Moments) -> Moments:
    return jax.tree.map(lambda leaf, new: leaf.at[number].set(new), stack, block)
