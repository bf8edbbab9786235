"""The full protocol: all channels, all positions of all images, with intervals over blocks of images or patients."""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import UInt8

from tljax.compare.activations import ForwardPass, pooled, require_same_positions, view
from tljax.compare.gather import Cells, Gathered, gather, grouped, require_memory
from tljax.compare.pairing import Batches, batches_of, blocks_of, mismatch
from tljax.compare.table import Row
from tljax.core.progress import progress_bar
from tljax.similarity import moments
from tljax.similarity.results import corrected, interval, jackknifed
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
    forward = ForwardPass(networks, wanted)
    cells = _cells(forward, pairs, layers)
    shapes = forward.shapes(images.shape[1:3])
    if pool == "none":
        require_same_positions(shapes, (names for of_group in cells for names in of_group))
    groups = patients or [str(row) for row in range(len(images))]
    blocks = blocks_of(groups, BLOCKS, seed)
    mismatched = mismatch(groups, blocks, seed)
    batches = batches_of(blocks, mismatched.partner, batch_size, forward.mesh.size)
    gathered = _gathered(forward, images, batches, cells, shapes, pool, progress)
    rows = []
    with progress_bar("pairs of layers", sum(map(len, cells)), progress) as advance:
        for of_group, found in gathered:
            rows += _rows(of_group, found, measures, pool, mismatched.other_patient)
            del found  # before the next is gathered
            advance(len(of_group))
    return rows


def _gathered(
    forward: ForwardPass,
    images: UInt8[np.ndarray, "n h w 3"],
    batches: Batches,
    cells: list[Cells],
    shapes: dict[str, tuple[int, int, int]],
    pool: str,
    progress: bool,
) -> Iterator[tuple[Cells, Gathered]]:
    """Yields the moments of the cells, in groups. Each group is freed when the caller releases it."""
    widths = {name: shape[2] for name, shape in shapes.items()}
    count = int(batches.block.max()) + 1
    seen = forward.batches(images, batches, progress)
    gather_from = partial(gather, block_of=batches.block, widths=widths, mesh=forward.mesh)
    if pool == "none":  # positions are too many to keep: one pass for all cells
        require_memory(cells, widths, count)
        waiting = deque(zip(cells, gather_from(cells, seen), strict=True))
        while waiting:
            yield waiting.popleft()
        return
    joined = grouped(cells, widths, count, POOLED_BYTES)
    for of_group in joined:
        require_memory([of_group], widths, count)
    kept = [pooled(batch, forward.mesh) for batch in seen]  # a vector per image is small: one pass for each group
    for of_group in joined:
        yield of_group, gather_from([of_group], kept)[0]


def _cells(forward: ForwardPass, pairs: Sequence[tuple[int, int]], layers: str) -> list[Cells]:
    """Returns the views to compare: one dictionary per named layer, or per pair and layer of its first network."""
    cells: dict[object, Cells] = {}
    for one, other in pairs:
        models = forward.labels[one], forward.labels[other]
        own, others = forward.layers[one], forward.layers[other]
        pairs_of_layers = [(a, b) for a in own for b in others] if layers == "all" else paired_layers(own, others)
        for a, b in pairs_of_layers:
            key = (models, a) if layers == "all" else a
            cells.setdefault(key, {})[view(models[0], a), view(models[1], b)] = models, (a, b)
    return list(cells.values())


def paired_layers(first: Sequence[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs the named layers of two networks: by name where both have the same names, else by relative depth.

    Relative depth is the position of a layer among the named ones, 0 for the first and 1 for the last. Each layer of
    the network with fewer of them is paired with the layer of the other that is nearest in relative depth, the earlier
    one of two that are equally near.
    """
    if tuple(first) == tuple(second):
        return [(layer, layer) for layer in first]
    if len(first) > len(second):
        return [(a, b) for b, a in paired_layers(second, first)]
    depths = np.linspace(0, 1, len(second))
    return [
        (layer, second[int(np.abs(depths - depth).round(9).argmin())])
        for layer, depth in zip(first, np.linspace(0, 1, len(first)), strict=True)
    ]


def _rows(
    of_group: Cells, gathered: Gathered, measures: tuple[str, ...], pool: str, other_patient: bool
) -> Iterator[Row]:
    """Yields a row for every pair and measure."""
    moments.require_finite(gathered.blocks)
    found, chance, left_out = jax.device_get(jackknifed(gathered.blocks, gathered.mismatched, measures))
    for names, (models, layers) in of_group.items():
        for measure in measures:
            measured, replicates = found[names][measure], left_out[names][measure]
            by_chance = float(chance[names][measure].value)
            # Positions of all images have something in common, which `chance` would count as bias.
            correctable = pool == "gap" and other_patient
            yield Row.of(
                models,
                layers,
                measure,
                "full",
                pool,
                measured,
                interval(float(measured.value), replicates),
                by_chance,
                blocks=len(replicates),
                other_patient=other_patient,
                without_bias=corrected(measure, measured, replicates, by_chance) if correctable else None,
            )
