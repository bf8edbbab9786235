"""All measures of all pairs at once, sharing every decomposition, and how sure they are."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float
from scipy import stats

from tljax.similarity import named
from tljax.similarity.moments import Moments, PairName, summed
from tljax.similarity.pair import Figure, MomentPair, moment_pairs

Figures = dict[PairName, dict[str, Figure]]


@partial(jax.jit, static_argnames=("measures", "cutoff"))
def figures(moments: Moments, measures: tuple[str, ...], cutoff: float | None = None) -> tuple[Figures, Figures]:
    """Every measure of every pair that was gathered, and of those whose samples were gathered beside strangers."""
    known = named(measures)

    def all_of(pairs: dict[PairName, MomentPair]) -> Figures:
        return {names: {name: measure(pair) for name, measure in known.items()} for names, pair in pairs.items()}

    pairs, chance = moment_pairs(moments, cutoff)
    return all_of(pairs), all_of(chance)


@partial(jax.jit, static_argnames=("measures", "cutoff"))
def jackknifed(
    blocks: Moments, whole: Moments, measures: tuple[str, ...], cutoff: float | None = None
) -> tuple[Figures, Figures, dict[PairName, dict[str, Float[Array, " blocks"]]]]:
    """What `figures` says of all blocks together, and the values with each block left out in turn, for `interval`.

    whole: the moments of all samples, for the pairs beside strangers: no interval is asked of them, hence no blocks.
    """
    count = blocks.n.size
    found, chance = figures(summed(blocks, jnp.ones(count))._replace(chance=whole.chance), measures, cutoff)
    return found, chance, replicates(blocks, 1 - jnp.eye(count), measures, cutoff)


def replicates(
    blocks: Moments, weights: Float[Array, "replicates blocks"], measures: tuple[str, ...], cutoff: float | None = None
) -> dict[PairName, dict[str, Float[Array, " replicates"]]]:
    """The values with the blocks weighted in each of several ways.

    One at a time: a batched eigendecomposition does not end on the CPU (jaxlib 0.10.2).
    """

    def values(weight: Float[Array, " blocks"]) -> dict[PairName, dict[str, Float[Array, ""]]]:
        found, _ = figures(summed(blocks, weight), measures, cutoff)
        return {names: {name: figure.value for name, figure in of.items()} for names, of in found.items()}

    return lax.map(values, weights)


def interval(
    value: float, left_out: Float[np.ndarray, " blocks"], confidence: float = 0.95
) -> tuple[float, float] | None:
    """The jackknife interval of a figure from its values with each block of images left out; Student's t.

    None for one block. Not a bootstrap: images drawn twice make few samples look like fewer, which raises every
    correlation.
    """
    blocks = len(left_out)
    if blocks < 2:
        return None
    error = np.sqrt((blocks - 1) / blocks * np.square(left_out - np.mean(left_out)).sum())
    reach = float(stats.t.ppf((1 + confidence) / 2, blocks - 1) * error)
    return float(value) - reach, float(value) + reach
