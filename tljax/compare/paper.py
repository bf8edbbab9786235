"""The paper's protocol: at each layer, five times, 64 random channels of about 10,000 positions of random images.

The same channel numbers are used in both networks, and each repeat has its own images, as in the authors' code.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8
from scipy import stats

from tljax.compare.activations import Activations, ForwardPass, require_same_positions, samples, scales, view
from tljax.compare.options import Options
from tljax.compare.pairing import batches_of, mismatch, positions
from tljax.compare.row import Row
from tljax.core.devices import replicated
from tljax.core.errors import UserError
from tljax.similarity import moments
from tljax.similarity.moments import Moments, mismatched
from tljax.similarity.results import measure_all
from tljax.similarity.views import Measurement
from tljax.weights.networks import Network

REPEATS = 5
CHANNELS = 64
POSITIONS = 10_000


def compare(
    networks: Sequence[Network],
    images: UInt8[np.ndarray, "n h w 3"],
    pairs: Sequence[tuple[int, int]],
    options: Options,
) -> list[Row]:
    """Compares networks by the paper's protocol. Arguments, result and errors: see `tljax.compare.compare`."""
    layers = tuple(
        layer for layer in networks[0].model.named_layers if all(layer in n.model.named_layers for n in networks)
    )
    if not layers:
        raise UserError("the networks have no layer of the same name in common: use --protocol full --pool gap")
    forward = ForwardPass(networks, [layers] * len(networks))
    shapes = forward.shapes(images.shape[1:3])
    for layer in layers:
        views = [view(label, layer) for label in forward.labels]
        require_same_positions(shapes, pairwise(views))
    rng = np.random.default_rng(options.seed)
    drawn = {
        layer: draw(rng, [shapes[view(label, layer)] for label in forward.labels], len(images)) for layer in layers
    }
    gathered, other_patient = _gather(forward, images, pairs, drawn, options)
    rows = []
    for layer in layers:
        states = gathered[layer]
        moments.require_finite(states)
        repeats = [
            jax.device_get(measure_all(jax.tree.map(lambda leaf, k=k: leaf[k], states), options.measures))
            for k in range(REPEATS)
        ]
        for one, other in pairs:
            models = forward.labels[one], forward.labels[other]
            for measure in options.measures:
                measured, interval = over_repeats([repeat[models][measure] for repeat in repeats])
                chance = np.mean([repeat[models[0], mismatched(models[1])][measure].value for repeat in repeats])
                rows.append(
                    Row.of(
                        models,
                        (layer, layer),
                        measured,
                        measure=measure,
                        protocol="paper",
                        pool="none",
                        interval=interval,
                        chance=float(chance),
                        other_patient=other_patient,
                    )
                )
    return rows


def draw(
    rng: np.random.Generator, shapes: Sequence[tuple[int, int, int]], images: int
) -> tuple[Int[np.ndarray, "repeats channels"], Bool[np.ndarray, "repeats images"]]:
    """Draws the channels and the images of each repeat at one layer.

    Args:
        shapes: height, width and channels of the layer in each network.
        images: the number of images to draw from.

    Returns:
        the numbers of the channels, and which images are used.
    """
    height, width, _ = shapes[0]
    channels = min(shape[2] for shape in shapes)
    count = min(max(round(POSITIONS / (height * width)), 1), images)
    taken = [rng.permutation(images) < count for _ in range(REPEATS)]
    return np.stack([rng.permutation(channels)[:CHANNELS] for _ in range(REPEATS)]), np.stack(taken)


def over_repeats(found: Sequence[Measurement], confidence: float = 0.95) -> tuple[Measurement, tuple[float, float]]:
    """Returns the mean of the repeats with the worst of their diagnostics, and its interval by Student's t."""
    values = np.array([repeat.value for repeat in found], float)
    reach = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    mean = Measurement(
        value=values.mean(),
        n=min(repeat.n for repeat in found),
        rank1=min(repeat.rank1 for repeat in found),
        rank2=min(repeat.rank2 for repeat in found),
        condition1=max(repeat.condition1 for repeat in found),
        condition2=max(repeat.condition2 for repeat in found),
        cutoff=found[0].cutoff,
        enough=min(repeat.enough for repeat in found),
        forced=max(repeat.forced for repeat in found),
    )
    return mean, (float(values.mean() - reach), float(values.mean() + reach))


def _gather(
    forward: ForwardPass,
    images: UInt8[np.ndarray, "n h w 3"],
    pairs: Sequence[tuple[int, int]],
    drawn: dict[str, tuple[Int[np.ndarray, "repeats channels"], Bool[np.ndarray, "repeats images"]]],
    options: Options,
) -> tuple[dict[str, Moments], bool]:
    """Returns the stacked moments of the repeats by layer, and whether mismatched images are of other patients."""
    models = [(forward.labels[one], forward.labels[other]) for one, other in pairs]
    compared = models + [(a, mismatched(b)) for a, b in models]
    states = {}
    for layer, (channels, _) in drawn.items():
        widths = {name: channels.shape[1] for pair in compared for name in pair}
        states[layer] = moments.stacked([moments.empty(widths, compared)] * REPEATS)
    seen = np.flatnonzero(np.any([taken.any(0) for _, taken in drawn.values()], axis=0))
    if len(seen) == 1:  # a second image is needed as its partner
        seen = np.append(seen, (seen + 1) % len(images))
    states, drawn = jax.device_put((states, drawn), replicated(forward.mesh))
    partner, other_patient = mismatch(options.groups(len(images)), [seen], options.seed)
    batches = batches_of([seen], partner, options.batch_size, forward.mesh.size)
    scale = None
    for batch in forward.batches(images, batches, options.progress):
        scale = scales(batch.activations) if scale is None else scale
        for layer in drawn:
            of_layer = [{name: of[view(name, layer)] for name in forward.labels} for of in (batch.activations, scale)]
            states[layer] = _added(states[layer], *of_layer, *drawn[layer], batch.rows, batch.sample, batch.partner)
    return states, other_patient


@partial(jax.jit, donate_argnums=0)
def _added(
    states: Moments,
    activations: Activations,
    scale: dict[str, Float[Array, ""]],
    channels: Int[Array, "repeats channels"],
    taken: Bool[Array, "repeats images"],
    rows: Int[Array, " b"],
    sample: Bool[Array, " b"],
    partner: Int[Array, " b"],
) -> Moments:
    flat = {name: samples(activation) * scale[name] for name, activation in activations.items()}
    each = next(iter(flat.values())).shape[0] // sample.size
    others = positions(partner, each)

    def repeat(arguments: tuple[Moments, Int[Array, " channels"], Bool[Array, " images"]]) -> Moments:
        state, channels, taken = arguments
        here = taken[rows] & sample

        def add() -> Moments:
            views = {name: view[:, channels] for name, view in flat.items()}
            views |= {mismatched(name): view[others] for name, view in views.items()}
            return moments.added(state, {name: views[name] for name in state.mean}, jnp.repeat(here, each))

        return jax.lax.cond(here.any(), add, lambda: state)

    return jax.lax.map(repeat, (states, channels, taken))
