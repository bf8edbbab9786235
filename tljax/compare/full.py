"""The full protocol: all channels, all positions of all images, with intervals over blocks of images or patients."""

from collections.abc import Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Int, UInt8

from tljax.compare.sweep import Activations, Sweep, batch_table, positions, samples, strangers, view
from tljax.compare.table import Row
from tljax.devices import replicated
from tljax.errors import UserError
from tljax.networks import Network
from tljax.progress import progress_bar
from tljax.similarity import moments, named
from tljax.similarity.figures import interval, jackknifed
from tljax.similarity.moments import Moments, PairName

BLOCKS = 10


def compare(
    networks: Sequence[Network],
    images: UInt8[np.ndarray, "n h w 3"],
    pairs: Sequence[tuple[int, int]],
    measures: tuple[str, ...],
    layers: str,
    pool: str,
    patients: Sequence[str] | None,
    batch_size: int,
    seed: int,
    progress: bool,
) -> list[Row]:
    """See `tljax.compare.compare`."""
    named(measures)
    wanted = [network.model.all_layers if layers == "all" else network.model.named_layers for network in networks]
    sweep = Sweep(networks, wanted)
    cells = _cells(sweep, pairs, layers)
    shapes = sweep.shapes(images.shape[1:3])
    if pool == "none":
        _check_sizes(shapes, cells)
    blocks = blocks_of(patients or [str(row) for row in range(len(images))], BLOCKS, seed)
    gathered = _gather(sweep, images, blocks, batch_size, shapes, cells, pool, progress)
    rows = []
    with progress_bar("layers", len(cells), progress) as advance:
        for of_layer, (of_blocks, whole) in zip(cells, gathered, strict=True):
            rows += _judged(of_layer, of_blocks, whole, measures, pool)
            advance(1)
    return rows


def blocks_of(groups: Sequence[str], count: int, seed: int) -> list[Int[np.ndarray, " _"]]:
    """Rows in at most `count` blocks of about equal size that keep groups (patients) whole; in random order within."""
    names, group = np.unique(np.array(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    sizes = np.bincount(group)
    order = rng.permutation(len(names))
    filled, block_of = np.zeros(min(count, len(names)), int), np.empty(len(names), int)
    for member in order[np.argsort(-sizes[order], kind="stable")]:
        block_of[member] = filled.argmin()
        filled[block_of[member]] += sizes[member]
    rows = rng.permutation(len(group))
    return [rows[block_of[group[rows]] == block] for block in range(len(filled))]


Gathered = tuple[Moments, Moments]  # of each block, stacked; of all images, with the pairs beside strangers
Cells = dict[PairName, tuple[tuple[str, str], tuple[str, str]]]  # two views: their networks, their layers


def _cells(sweep: Sweep, pairs: Sequence[tuple[int, int]], layers: str) -> list[Cells]:
    """The views to be compared, a dictionary for those that share an accumulator."""
    cells = []
    for one, other in pairs:
        models = sweep.labels[one], sweep.labels[other]
        for layer in sweep.layers[one]:
            for like in sweep.layers[other] if layers == "all" else {layer} & set(sweep.layers[other]):
                cells.append(((view(models[0], layer), view(models[1], like)), (models, (layer, like))))
    if layers == "all":
        return [dict(cells)]
    return [
        {names: cell for names, cell in cells if cell[1][0] == layer}
        for layer in dict.fromkeys(cell[1][0] for _, cell in cells)
    ]


def _judged(of_layer: Cells, blocks: Moments, whole: Moments, measures: tuple[str, ...], pool: str) -> Iterator[Row]:
    """A row for every pair and measure, from the moments of the blocks and of the whole."""
    moments.require_finite(whole)
    found, chance, left_out = jax.device_get(jackknifed(blocks, whole, measures))
    for names, (models, between) in of_layer.items():
        for measure in measures:
            figure = found[names][measure]
            reach = interval(float(figure.value), left_out[names][measure])
            by_chance = float(chance[names][measure].value)
            yield Row.of(models, between, measure, "full", pool, figure, reach, by_chance)


def _check_sizes(shapes: dict[str, tuple[int, int, int]], cells: list[Cells]) -> None:
    for a, b in (names for of_layer in cells for names in of_layer):
        if shapes[a][:2] != shapes[b][:2]:
            raise UserError(f"{a} is {shapes[a][:2]}, {b} is {shapes[b][:2]} positions: compare them with --pool gap")


def _gather(
    sweep: Sweep,
    images: UInt8[np.ndarray, "n h w 3"],
    blocks: list[Int[np.ndarray, " _"]],
    batch_size: int,
    shapes: dict[str, tuple[int, int, int]],
    cells: list[Cells],
    pool: str,
    progress: bool,
) -> list[Gathered]:
    """The moments for each of `cells`."""
    widths = [{name: shapes[name][2] for names in of_layer for name in names} for of_layer in cells]

    def empty() -> list[Gathered]:
        return [
            (moments.stacked([moments.empty(width, of_layer)] * len(blocks)), moments.empty(width, chance=of_layer))
            for width, of_layer in zip(widths, cells, strict=True)
        ]

    gathered = _zeros(jax.eval_shape(empty), sweep.mesh)
    table, block_of = batch_table(blocks, batch_size, sweep.mesh.size)
    for block, (activations, _, mask) in zip(block_of, sweep.batches(images, table, progress), strict=True):
        gathered = _added(gathered, jnp.asarray(block), activations, mask, pool)
    return gathered


def _zeros(like: list[Gathered], mesh: Mesh) -> list[Gathered]:
    """Made where they are to lie: they are the better part of the memory that a comparison takes."""

    def fill() -> list[Gathered]:
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)

    return jax.jit(fill, out_shardings=replicated(mesh))()


@partial(jax.jit, donate_argnums=0, static_argnames="pool")
def _added(
    gathered: list[Gathered], block: Int[Array, ""], activations: Activations, mask: Bool[Array, " b"], pool: str
) -> list[Gathered]:
    def one(blocks: Moments, whole: Moments) -> Gathered:
        views = {name: samples(activations[name], pool) for name in whole.mean}
        each = next(iter(views.values())).shape[0] // mask.size
        weight = jnp.repeat(mask, each)
        of_block = moments.added(jax.tree.map(lambda leaf: leaf[block], blocks), views, weight)
        blocks = jax.tree.map(lambda leaf, new: leaf.at[block].set(new), blocks, of_block)
        return blocks, moments.added(whole, views, weight, positions(strangers(mask), each))

    return [one(*of_layer) for of_layer in gathered]
