"""Computes the moments that all measures need, in one pass over the samples, without keeping the samples.

Each batch is centred on its own mean, and batches are merged by Chan's formula (Chan, Golub, LeVeque 1983). This is
accurate in float32, where a plain sum of squares is not. The moments are the second moments and the sums over squared
norms that debiased CKA needs. A representation, an array `n d`, is called a view and has a name. The moments of a view
with itself are computed once, however many pairs contain it.

`recentred` moves moments to another mean. Merging two batches and weighting blocks for a jackknife both move the
moments to the common mean and then add them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from tljax.core.errors import UserError

PairName = tuple[str, str]


class Cross(NamedTuple):
    """Sums over the samples i of two centred views `a` and `b`."""

    second: Float[Array, "*blocks da db"]  # a_i b_i^T
    left: Float[Array, "*blocks da"]  # |b_i|^2 a_i
    right: Float[Array, "*blocks db"]  # |a_i|^2 b_i
    quartic: Float[Array, "*blocks"]  # |a_i|^2 |b_i|^2


class Moments(NamedTuple):
    """Sums over the samples of several views: a pytree for jit and scan, which can be stacked."""

    n: Float[Array, "*blocks"]
    mean: dict[str, Float[Array, "*blocks d"]]
    power: dict[str, Float[Array, "*blocks"]]  # sum of squares, centred
    cross: dict[PairName, Cross]  # of the requested pairs, and of (a, a) for every view a unless `own` was False


def mismatched(view: str) -> str:
    """Returns the name of a view whose samples are those of mismatched images."""
    return f"{view}, mismatched"


def empty(widths: Mapping[str, int], pairs: Iterable[PairName] = (), *, own: bool = True, dtype=jnp.float32) -> Moments:
    """Returns the moments of no samples.

    Args:
        widths: the number of channels by view.
        pairs: the pairs of views to compare.
        own: whether to include the moments of each view with itself, which measures need.
    """

    def zeros(*shape: int) -> Any:  # NumPy arrays, until `device_put` below
        return np.zeros(shape, dtype)

    def cross(a: str, b: str) -> Cross:
        return Cross(zeros(widths[a], widths[b]), zeros(widths[a]), zeros(widths[b]), zeros())

    nothing = Moments(
        n=zeros(),
        mean={name: zeros(width) for name, width in widths.items()},
        power={name: zeros() for name in widths},
        cross={(a, b): cross(a, b) for a, b in (*((name, name) for name in widths if own), *pairs)},
    )
    return jax.device_put(nothing)  # all at once: array by array, this would take as long as a small batch


def added(
    moments: Moments,
    views: Mapping[str, Float[Array | np.ndarray, "n _"]],
    weight: Float[Array, " n"] | Bool[Array, " n"] | None = None,
) -> Moments:
    """Returns `moments` with one more batch.

    Args:
        views: the batch, `n d` for every view of `moments`.
        weight: true or 1 for a sample, false or 0 for padding; None: all are samples.
    """
    dtype = moments.n.dtype
    given = {name: jnp.asarray(view, dtype) for name, view in views.items()}
    rows = next(iter(given.values())).shape[0]
    weight = jnp.ones(rows, dtype) if weight is None else weight.astype(dtype)
    n = weight.sum()
    mean = {name: _mean(view, weight, n) for name, view in given.items()}
    centred = {name: (view - mean[name][None]) * weight[:, None] for name, view in given.items()}
    norms = {name: jnp.square(view).sum(1) for name, view in centred.items()}

    def cross(a: str, b: str) -> Cross:
        return Cross(
            second=product(centred[a].T, centred[b]),
            left=product(norms[b], centred[a]),
            right=product(norms[a], centred[b]),
            quartic=product(norms[a], norms[b]),
        )

    power = {name: norm.sum() for name, norm in norms.items()}
    return merged(moments, Moments(n, mean, power, {(a, b): cross(a, b) for a, b in moments.cross}))


def merged(first: Moments, second: Moments) -> Moments:
    """Returns the moments of both samples together."""
    n = first.n + second.n
    share = second.n / jnp.maximum(n, 1)
    mean = {name: mean + share * (second.mean[name] - mean) for name, mean in first.mean.items()}
    return jax.tree.map(jnp.add, recentred(first, mean), recentred(second, mean))._replace(mean=mean)


def summed(blocks: Moments, weights: Float[Array, " blocks"]) -> Moments:
    """Returns the moments of stacked blocks together, each block counted `weights` times (0 or 1 for a jackknife).

    Blocks are added one after the other, because adding all at once would double the memory.
    """
    counts = weights * blocks.n
    share = counts / jnp.maximum(counts.sum(), 1)
    mean = {name: product(share, means) for name, means in blocks.mean.items()}

    def add(total: Moments, each: tuple[Moments, Float[Array, ""]]) -> tuple[Moments, None]:
        block, weight = each
        return jax.tree.map(lambda sum, part: sum + weight * part, total, recentred(block, mean)), None

    nothing = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), blocks)
    return lax.scan(add, nothing, (blocks, weights))[0]._replace(mean=mean)


def stacked(blocks: Iterable[Moments]) -> Moments:
    """Returns the moments of several blocks as one pytree whose first axis is the block."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *blocks)


def recentred(moments: Moments, mean: Mapping[str, Float[Array, " _"]]) -> Moments:
    """Returns the moments of the same samples about another mean: every centred sample `u` becomes `u - shift`."""
    n = moments.n
    shift = {name: mean[name] - own for name, own in moments.mean.items()}
    squared = {name: product(move, move) for name, move in shift.items()}
    power = moments.power

    def move(names: PairName, cross: Cross) -> Cross:
        a, b = names
        second, left, right, quartic = cross
        onto_a, onto_b = product(second, shift[b]), product(shift[a], second)
        return Cross(
            second=second + n * shift[a][:, None] * shift[b][None, :],
            left=left - 2 * onto_a - (power[b] + n * squared[b]) * shift[a],
            right=right - 2 * onto_b - (power[a] + n * squared[a]) * shift[b],
            quartic=quartic
            - 2 * (product(left, shift[a]) + product(right, shift[b]))
            + 4 * product(onto_b, shift[b])
            + power[a] * squared[b]
            + power[b] * squared[a]
            + n * squared[a] * squared[b],
        )

    return Moments(
        n=n,
        mean=dict(mean),
        power={name: own + n * squared[name] for name, own in power.items()},
        cross={names: move(names, cross) for names, cross in moments.cross.items()},
    )


def require_finite(moments: Moments) -> None:
    """Raises `UserError` if samples or their squares are not finite, and names the views."""
    bad = [name for name in moments.mean if not np.isfinite(np.asarray(moments.cross[name, name].quartic)).all()]
    if bad:
        raise UserError(f"the activations of {', '.join(bad)} are not finite, or too large to square: check them")


def _mean(view: Float[Array, "n d"], weight: Float[Array, " n"], n: Float[Array, ""]) -> Float[Array, " d"]:
    """Returns the weighted mean. A second step removes the rounding error of the first, however large the mean is."""
    share = weight / jnp.maximum(n, 1)
    first = product(share, view)
    return first + product(share, view - first[None])


def product(a: Array, b: Array) -> Array:
    """Returns the matrix product in full precision, also on accelerators whose default precision is lower."""
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
