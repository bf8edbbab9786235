"""Computes all measures of all pairs of views, with shared decompositions, and their intervals."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float
from scipy import stats

from tljax.similarity import modules, named
from tljax.similarity.moments import Moments, PairName, summed
from tljax.similarity.views import Measurement, MomentPair, moment_pairs, with_mismatched

Measurements = dict[PairName, dict[str, Measurement]]


@partial(jax.jit, static_argnames=("measures", "cutoff"))
def measure_all(moments: Moments, measures: tuple[str, ...], cutoff: float | None = None) -> Measurements:
    """Returns every measure of every pair of views."""
    return _measured(moment_pairs(moments, cutoff), measures)


@partial(jax.jit, static_argnames=("measures", "cutoff"))
def jackknifed(
    blocks: Moments, mismatched: Moments, measures: tuple[str, ...], cutoff: float | None = None
) -> tuple[Measurements, Measurements, dict[PairName, dict[str, Float[Array, " blocks"]]]]:
    """Returns the measures of all blocks together, those of mismatched pairs, and the values with each block left out.

    Args:
        mismatched: the moments of mismatched pairs over all samples (`views.with_mismatched`).
    """
    count = blocks.n.size
    pairs = moment_pairs(summed(blocks, jnp.ones(count)), cutoff)
    chance = with_mismatched(pairs, mismatched)
    left_out = replicates(blocks, 1 - jnp.eye(count), measures, cutoff)
    return _measured(pairs, measures), _measured(chance, measures), left_out


def _measured(pairs: Mapping[PairName, MomentPair], measures: tuple[str, ...]) -> Measurements:
    known = named(measures)
    return {names: {name: measure(pair) for name, measure in known.items()} for names, pair in pairs.items()}


def replicates(
    blocks: Moments, weights: Float[Array, "replicates blocks"], measures: tuple[str, ...], cutoff: float | None = None
) -> dict[PairName, dict[str, Float[Array, " replicates"]]]:
    """Returns the values for each of several weightings of the blocks.

    One replicate is computed at a time, because a batched eigendecomposition deadlocks on CPU (jaxlib 0.10.2).
    """

    def values(weight: Float[Array, " blocks"]) -> dict[PairName, dict[str, Float[Array, ""]]]:
        found = measure_all(summed(blocks, weight), measures, cutoff)
        return {names: {name: each.value for name, each in of.items()} for names, of in found.items()}

    return lax.map(values, weights)


class Corrected(NamedTuple):
    """A value without the bias of few samples, and its 95 % interval."""

    value: float
    low: float
    high: float


def corrected(
    measure: str, measured: Measurement, left_out: Float[np.ndarray, " blocks"], chance: float
) -> Corrected | None:
    """Returns a value without the bias of few samples, and its jackknife interval; None if this is not possible.

    Args:
        left_out: the values with each block left out.
        chance: the value of mismatched pairs, which is inversely proportional to the number of samples.
    """
    correct, blocks = getattr(modules()[measure], "corrected", None), len(left_out)
    if correct is None or blocks < 2:
        return None
    ranks = int(measured.rank1), int(measured.rank2)
    value = correct(float(measured.value), chance, *ranks)
    of_fewer = chance * blocks / (blocks - 1)
    ends = interval(value, np.array([correct(float(each), of_fewer, *ranks) for each in left_out]))
    return Corrected(value, *ends) if ends and np.isfinite([value, *ends]).all() else None


def interval(
    value: float, left_out: Float[np.ndarray, " blocks"], confidence: float = 0.95
) -> tuple[float, float] | None:
    """Returns the jackknife interval (Student's t) of a value from the values with each block of images left out.

    Returns None for one block. A bootstrap is not suitable: repeated images reduce the number of distinct samples,
    which raises every correlation.
    """
    blocks = len(left_out)
    if blocks < 2:
        return None
    error = np.sqrt((blocks - 1) / blocks * np.square(left_out - np.mean(left_out)).sum())
    reach = float(stats.t.ppf((1 + confidence) / 2, blocks - 1) * error)
    return float(value) - reach, float(value) + reach
