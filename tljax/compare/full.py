"""The full protocol: all channels, all positions of all images, with intervals over blocks of images or patients."""

from collections.abc import Iterator, Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import Int, UInt8

from tljax.compare.gather import Cells, gather, grouped, require_memory
from tljax.compare.sweep import Sweep, batch_table, pooled, require_same_positions, view
from tljax.compare.table import Row
from tljax.core.errors import UserError
from tljax.core.progress import progress_bar
from tljax.similarity import moments
from tljax.similarity.figures import interval, jackknifed
from tljax.similarity.moments import Moments
from tljax.weights.networks import Network

BLOCKS = 10
POOLED_BYTES = 4e9  # of moments held at a time where layers are pooled


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
    wanted = [network.model.all_layers if layers == "all" else network.model.named_layers for network in networks]
    sweep = Sweep(networks, wanted)
    cells = _cells(sweep, pairs, layers)
    if not cells:
        raise UserError("the networks have no layer of the same name in common: add --layers all --pool gap")
    shapes = sweep.shapes(images.shape[1:3])
    if pool == "none":
        require_same_positions(shapes, (names for of_group in cells for names in of_group))
    widths = {name: shape[2] for name, shape in shapes.items()}
    blocks = blocks_of(patients or [str(row) for row in range(len(images))], BLOCKS, seed)
    table, block_of = batch_table(blocks, batch_size, sweep.mesh.size)
    batches = ((activations, mask) for activations, _, mask in sweep.batches(images, table, progress))
    gather_from = partial(gather, block_of=block_of, widths=widths, mesh=sweep.mesh)
    if pool == "none":  # positions are too many to keep: one pass for all
        require_memory(cells, widths, len(blocks))
        every = gather_from(cells, batches)
        gathered = (every.pop(0) for _ in cells)
    else:  # a vector an image is little: moments are made of the kept ones, a few cells at a time
        cells = grouped(cells, widths, len(blocks), POOLED_BYTES)
        for of_group in cells:
            require_memory([of_group], widths, len(blocks))
        kept = [pooled(activations, mask, sweep.mesh) for activations, mask in batches]
        gathered = (gather_from([of_group], kept)[0] for of_group in cells)
    rows = []
    with progress_bar("layers", len(cells), progress) as advance:
        for of_group in cells:
            rows += _judged(of_group, *next(gathered), measures, pool)  # held nowhere else: it goes before the next
            advance(1)
    return rows


def blocks_of(groups: Sequence[str], count: int, seed: int) -> list[Int[np.ndarray, " _"]]:
    """Rows in at most `count` blocks of about equal size that keep groups (patients) whole; in random order within.

    A block is of two images at least, as a stranger of an image is looked for in its block.
    """
    names, group = np.unique(np.array(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    sizes = np.bincount(group)
    order = rng.permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    count = min(count, len(names), len(group) // 2)
    while (filled := _filled(sizes, order, count))[0].min() < 2 and count > 1:
        count -= 1
    _, block_of = filled
    rows = rng.permutation(len(group))
    return [rows[block_of[group[rows]] == block] for block in range(count)]


def _filled(
    sizes: Int[np.ndarray, " groups"], order: Int[np.ndarray, " groups"], count: int
) -> tuple[Int[np.ndarray, " count"], Int[np.ndarray, " groups"]]:
    """The sizes of `count` blocks, and the block of each group: one after the other they go where least is."""
    filled, block_of = np.zeros(count, int), np.empty(len(sizes), int)
    for member in order:
        block_of[member] = filled.argmin()
        filled[block_of[member]] += sizes[member]
    return filled, block_of


def _cells(sweep: Sweep, pairs: Sequence[tuple[int, int]], layers: str) -> list[Cells]:
    """The views to be compared: a dictionary for each named layer, or for each pair and layer of its first network."""
    cells: dict[tuple, Cells] = {}
    for one, other in pairs:
        models = sweep.labels[one], sweep.labels[other]
        for layer in sweep.layers[one]:
            key = (models, layer) if layers == "all" else layer
            for like in sweep.layers[other] if layers == "all" else {layer} & set(sweep.layers[other]):
                cells.setdefault(key, {})[view(models[0], layer), view(models[1], like)] = models, (layer, like)
    return list(cells.values())


def _judged(of_group: Cells, blocks: Moments, whole: Moments, measures: tuple[str, ...], pool: str) -> Iterator[Row]:
    """A row for every pair and measure, from the moments of the blocks and of the whole."""
    moments.require_finite(whole)
    found, chance, left_out = jax.device_get(jackknifed(blocks, whole, measures))
    for names, (models, between) in of_group.items():
        for measure in measures:
            figure = found[names][measure]
            replicates = left_out[names][measure]
            reach = interval(float(figure.value), replicates)
            by_chance = float(chance[names][measure].value)
            yield Row.of(models, between, measure, "full", pool, figure, reach, by_chance, len(replicates))
