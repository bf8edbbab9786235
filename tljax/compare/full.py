"""The full protocol: all channels and all positions of all images, with intervals over blocks of images or patients."""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import UInt8

from tljax.compare.activations import ForwardPass, pooled, require_same_positions, view
from tljax.compare.gather import Gathered, LayerPairs, gather, grouped, require_memory
from tljax.compare.options import Options
from tljax.compare.pairing import Batches, batches_of, blocks_of, mismatch
from tljax.compare.row import Row
from tljax.core.progress import progress_bar
from tljax.similarity import moments
from tljax.similarity.results import corrected, interval, jackknifed
from tljax.weights.networks import Network

BLOCKS = 10
POOLED_BYTES = 4e9  # of moments in memory at a time if layers are pooled


def compare(
    networks: Sequence[Network],
    images: UInt8[np.ndarray, "n h w 3"],
    pairs: Sequence[tuple[int, int]],
    options: Options,
) -> list[Row]:
    """Compares networks by the full protocol. Arguments, result and errors: see `tljax.compare.compare`."""
    every = options.layers == "all"
    wanted = [network.model.all_layers if every else network.model.named_layers for network in networks]
    forward = ForwardPass(networks, wanted)
    groups = _layer_pairs(forward, pairs, options.layers)
    shapes = forward.shapes(images.shape[1:3])
    if options.pool == "none":
        require_same_positions(shapes, (names for of_group in groups for names in of_group))
    group_of = options.groups(len(images))
    blocks = blocks_of(group_of, BLOCKS, options.seed)
    mismatched = mismatch(group_of, blocks, options.seed)
    batches = batches_of(blocks, mismatched.partner, options.batch_size, forward.mesh.size)
    gathered = _gathered(forward, images, batches, groups, shapes, options)
    rows = []
    with progress_bar("pairs of layers", sum(map(len, groups)), options.progress) as advance:
        for of_group, found in gathered:
            rows += _rows(of_group, found, options, mismatched.other_patient)
            del found  # before the next is gathered
            advance(len(of_group))
    return rows


def _gathered(
    forward: ForwardPass,
    images: UInt8[np.ndarray, "n h w 3"],
    batches: Batches,
    groups: list[LayerPairs],
    shapes: dict[str, tuple[int, int, int]],
    options: Options,
) -> Iterator[tuple[LayerPairs, Gathered]]:
    """Yields the moments in groups of pairs of layers. A group is freed when the caller releases it."""
    widths = {name: shape[2] for name, shape in shapes.items()}
    count = int(batches.block.max()) + 1
    seen = forward.batches(images, batches, options.progress)
    gather_from = partial(gather, block_of=batches.block, widths=widths, mesh=forward.mesh)
    if options.pool == "none":  # there are too many positions to keep: one pass for all pairs of layers
        require_memory(groups, widths, count)
        waiting = deque(zip(groups, gather_from(groups, seen), strict=True))
        while waiting:
            yield waiting.popleft()
        return
    joined = grouped(groups, widths, count, POOLED_BYTES)
    for of_group in joined:
        require_memory([of_group], widths, count)
    kept = [pooled(batch, forward.mesh) for batch in seen]  # one vector per image is small: one pass for each group
    for of_group in joined:
        yield of_group, gather_from([of_group], kept)[0]


def _layer_pairs(forward: ForwardPass, pairs: Sequence[tuple[int, int]], layers: str) -> list[LayerPairs]:
    """Returns the pairs of layers to compare, in dictionaries that need not be in memory together.

    There is one dictionary per named layer. With all layers, there is one per pair of networks and layer of the first.
    """
    found: dict[object, LayerPairs] = {}
    for one, other in pairs:
        models = forward.labels[one], forward.labels[other]
        own, others = forward.layers[one], forward.layers[other]
        pairs_of_layers = [(a, b) for a in own for b in others] if layers == "all" else paired_layers(own, others)
        for a, b in pairs_of_layers:
            key = (models, a) if layers == "all" else a
            found.setdefault(key, {})[view(models[0], a), view(models[1], b)] = models, (a, b)
    return list(found.values())


def paired_layers(first: Sequence[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs the named layers of two networks: by name if both have the same names, otherwise by relative depth.

    Relative depth is the position of a layer among the named ones, 0 for the first and 1 for the last. Each layer of
    the network with fewer layers is paired with the layer of the other network that is nearest in relative depth; of
    two that are equally near, with the earlier one.
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


def _rows(of_group: LayerPairs, gathered: Gathered, options: Options, other_patient: bool) -> Iterator[Row]:
    """Yields a row for every pair and measure."""
    moments.require_finite(gathered.blocks)
    found, chance, left_out = jax.device_get(jackknifed(gathered.blocks, gathered.mismatched, options.measures))
    for names, (models, layers) in of_group.items():
        for measure in options.measures:
            measured, replicates = found[names][measure], left_out[names][measure]
            by_chance = float(chance[names][measure].value)
            # The positions of all images have something in common, which the correction would take for bias.
            correctable = options.pool == "gap" and other_patient
            yield Row.of(
                models,
                layers,
                measured,
                measure=measure,
                protocol="full",
                pool=options.pool,
                interval=interval(float(measured.value), replicates),
                chance=by_chance,
                blocks=len(replicates),
                other_patient=other_patient,
                without_bias=corrected(measure, measured, replicates, by_chance) if correctable else None,
            )
