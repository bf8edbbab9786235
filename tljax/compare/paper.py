"""The paper's protocol: at each layer, five times, 64 random channels of about 10,000 positions of random images.

The same channel numbers are taken of both networks, and each repeat has its own images (reference: the authors' code).
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8
from scipy import stats

from tljax.compare.sweep import (
    Activations,
    Sweep,
    batch_table,
    positions,
    require_same_positions,
    samples,
    strangers,
    units,
    view,
)
from tljax.compare.table import Row
from tljax.core.devices import replicated
from tljax.core.errors import UserError
from tljax.similarity import moments
from tljax.similarity.figures import Figures, figures
from tljax.similarity.moments import Moments
from tljax.similarity.pair import Figure
from tljax.weights.networks import Network

REPEATS = 5
CHANNELS = 64
POSITIONS = 10_000


def compare(
    networks: Sequence[Network],
    images: UInt8[np.ndarray, "n h w 3"],
    pairs: Sequence[tuple[int, int]],
    measures: tuple[str, ...],
    batch_size: int,
    seed: int,
    progress: bool,
) -> list[Row]:
    """See `tljax.compare.compare`."""
    layers = tuple(
        layer for layer in networks[0].model.named_layers if all(layer in n.model.named_layers for n in networks)
    )
    if not layers:
        raise UserError("the networks have no layer of the same name in common: use --protocol full --pool gap")
    sweep = Sweep(networks, [layers] * len(networks))
    shapes = sweep.shapes(images.shape[1:3])
    for layer in layers:
        views = [view(label, layer) for label in sweep.labels]
        require_same_positions(shapes, pairwise(views))
    rng = np.random.default_rng(seed)
    drawn = {layer: draw(rng, [shapes[view(label, layer)] for label in sweep.labels], len(images)) for layer in layers}
    gathered = _gather(sweep, images, pairs, drawn, batch_size, progress)
    rows = []
    for layer in layers:
        states = gathered[layer]
        moments.require_finite(states)
        repeats = [jax.device_get(_figures(states, repeat, measures)) for repeat in range(REPEATS)]
        for one, other in pairs:
            models = sweep.labels[one], sweep.labels[other]
            for measure in measures:
                found = [repeat[models][measure] for repeat in repeats]
                chance = np.mean([repeat[models[0], _stranger(models[1])][measure].value for repeat in repeats])
                figure, interval = over_repeats(found)
                rows.append(Row.of(models, (layer, layer), measure, "paper", "none", figure, interval, float(chance)))
    return rows


def draw(
    rng: np.random.Generator, shapes: Sequence[tuple[int, int, int]], images: int
) -> tuple[Int[np.ndarray, "repeats channels"], Bool[np.ndarray, "repeats images"]]:
    """The channels and the images of each repeat, at a layer of these shapes (h, w, c), one for each network."""
    height, width, _ = shapes[0]
    channels = min(shape[2] for shape in shapes)
    count = min(max(round(POSITIONS / (height * width)), 1), images)
    taken = [rng.permutation(images) < count for _ in range(REPEATS)]
    return np.stack([rng.permutation(channels)[:CHANNELS] for _ in range(REPEATS)]), np.stack(taken)


def over_repeats(found: Sequence[Figure], confidence: float = 0.95) -> tuple[Figure, tuple[float, float]]:
    """The mean of the repeats beside the worst of their diagnostics, and its interval; Student's t."""
    values = np.array([figure.value for figure in found], float)
    reach = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    figure = Figure(
        value=values.mean(),
        n=min(figure.n for figure in found),
        rank1=min(figure.rank1 for figure in found),
        rank2=min(figure.rank2 for figure in found),
        condition1=max(figure.condition1 for figure in found),
        condition2=max(figure.condition2 for figure in found),
        cutoff=found[0].cutoff,
        enough=all(figure.enough for figure in found),
        forced=max(figure.forced for figure in found),
    )
    return figure, (float(values.mean() - reach), float(values.mean() + reach))


def _stranger(label: str) -> str:
    """The view of a network whose images are each the next one: what its partner meets by chance."""
    return f"{label}, next image"


def _gather(
    sweep: Sweep,
    images: UInt8[np.ndarray, "n h w 3"],
    pairs: Sequence[tuple[int, int]],
    drawn: dict[str, tuple[Int[np.ndarray, "repeats channels"], Bool[np.ndarray, "repeats images"]]],
    batch_size: int,
    progress: bool,
) -> dict[str, Moments]:
    """For each layer the moments of each repeat, stacked."""
    models = [(sweep.labels[one], sweep.labels[other]) for one, other in pairs]
    compared = models + [(a, _stranger(b)) for a, b in models]
    states = {}
    for layer, (channels, _) in drawn.items():
        widths = {name: channels.shape[1] for pair in compared for name in pair}
        states[layer] = moments.stacked([moments.empty(widths, compared)] * REPEATS)
    states, drawn = jax.device_put((states, drawn), replicated(sweep.mesh))
    seen = np.flatnonzero(np.any([taken.any(0) for _, taken in jax.device_get(drawn).values()], axis=0))
    if len(seen) == 1:  # it needs a stranger beside it
        seen = np.append(seen, (seen + 1) % len(images))
    table, _ = batch_table([np.random.default_rng(0).permutation(seen)], batch_size, sweep.mesh.size)
    scale = None
    for activations, rows, mask in sweep.batches(images, table, progress):
        scale = units(activations) if scale is None else scale
        for layer in drawn:
            of_layer = [{name: of[view(name, layer)] for name in sweep.labels} for of in (activations, scale)]
            states[layer] = _added(states[layer], *of_layer, *drawn[layer], rows, mask)
    return states


@partial(jax.jit, donate_argnums=0)
def _added(
    states: Moments,
    activations: Activations,
    scale: dict[str, Float[Array, ""]],
    channels: Int[Array, "repeats channels"],
    taken: Bool[Array, "repeats images"],
    rows: Int[Array, " b"],
    mask: Bool[Array, " b"],
) -> Moments:
    flat = {name: samples(activation) * scale[name] for name, activation in activations.items()}
    each = next(iter(flat.values())).shape[0] // mask.size
    beside = positions(strangers(mask), each)

    def repeat(arguments: tuple[Moments, Int[Array, " channels"], Bool[Array, " images"]]) -> Moments:
        state, channels, taken = arguments
        here = taken[rows] & mask

        def add() -> Moments:
            views = {name: view[:, channels] for name, view in flat.items()}
            views |= {_stranger(name): view[beside] for name, view in views.items()}
            return moments.added(state, {name: views[name] for name in state.mean}, jnp.repeat(here, each))

        return jax.lax.cond(here.any(), add, lambda: state)

    return jax.lax.map(repeat, (states, channels, taken))


def _figures(states: Moments, repeat: int, measures: tuple[str, ...]) -> Figures:
    found, _ = figures(jax.tree.map(lambda leaf: leaf[repeat], states), measures)
    return found
