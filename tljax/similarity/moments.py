"""The moments of representations that all measures are made of, gathered in one pass and never holding the samples.

Batches are centred on their own means and merged by Chan's formula (Chan, Golub, LeVeque 1983), which stays exact in
float32 where a raw sum of squares does not. Beside the second moments stand the sums over squared norms that debiased
CKA needs. A representation is a *view*: any name for an array `n d`. Each view's own moments are gathered once, however
many pairs it takes part in.

The one operation underneath is `recentred`: moments about one mean, told about another. Merging two batches, summing
over devices and weighting blocks for a jackknife are all "move to the common mean, then add".
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from tljax.core.errors import UserError

PairName = tuple[str, str]


class Cross(NamedTuple):
    """Sums over the samples of two views `a`, `b`, each centred."""

    second: Float[Array, "*blocks da db"]  # a_i b_i^T
    left: Float[Array, "*blocks da"]  # |b_i|^2 a_i
    right: Float[Array, "*blocks db"]  # |a_i|^2 b_i
    quartic: Float[Array, "*blocks"]  # |a_i|^2 |b_i|^2


class Moments(NamedTuple):
    """All that is kept of the samples seen: a pytree that passes through jit, scan and psum; blocks of it stack."""

    n: Float[Array, "*blocks"]
    mean: dict[str, Float[Array, "*blocks d"]]
    cross: dict[PairName, Cross]  # (a, a) for every view a, and the pairs asked for
    chance: dict[PairName, Cross]  # pairs of which b's samples stand beside another image's of a


def empty(
    widths: Mapping[str, int], pairs: Iterable[PairName] = (), *, chance: Iterable[PairName] = (), dtype=jnp.float32
) -> Moments:
    """The moments of no samples: `widths` names each view's number of channels, `pairs` the views to be compared.

    chance: the pairs to be compared beside strangers.
    """

    def cross(a: str, b: str) -> Cross:
        shapes = (widths[a], widths[b]), (widths[a],), (widths[b],), ()
        return Cross(*(np.zeros(shape, dtype) for shape in shapes))

    nothing = Moments(
        n=np.zeros((), dtype),
        mean={name: np.zeros(width, dtype) for name, width in widths.items()},
        cross={(a, b): cross(a, b) for a, b in (*((name, name) for name in widths), *pairs)},
        chance={(a, b): cross(a, b) for a, b in chance},
    )
    return jax.device_put(nothing)  # all at once: an array at a time would take as long as a small batch


def added(
    moments: Moments,
    views: Mapping[str, Float[Array, "n _"]],
    weight: Float[Array, " n"] | Bool[Array, " n"] | None = None,
    partner: Int[Array, " n"] | None = None,
) -> Moments:
    """`moments` and one more batch.

    Args:
        views: the batch, `n d` for every view of `moments`.
        weight: true or 1 for a sample, false or 0 for padding; None: all are samples.
        partner: for the chance level, the row of `b` to stand beside each row of `a`: a permutation of the samples.
    """
    dtype = moments.n.dtype
    views = {name: view.astype(dtype) for name, view in views.items()}
    rows = next(iter(views.values())).shape[0]
    weight = jnp.ones(rows, dtype) if weight is None else weight.astype(dtype)
    n = weight.sum()
    mean = {name: _mean(view, weight, n) for name, view in views.items()}
    views = {name: (view - mean[name][None]) * weight[:, None] for name, view in views.items()}
    norms = {name: jnp.square(view).sum(1) for name, view in views.items()}

    def cross(a: str, b: str, order=slice(None)) -> Cross:
        return Cross(
            second=product(views[a].T, views[b][order]),
            left=product(norms[b][order], views[a]),
            right=product(norms[a], views[b][order]),
            quartic=product(norms[a], norms[b][order]),
        )

    batch = Moments(
        n=n,
        mean=mean,
        cross={(a, b): cross(a, b) for a, b in moments.cross},
        chance={(a, b): cross(a, b, partner) for a, b in moments.chance},
    )
    return merged(moments, batch)


def merged(first: Moments, second: Moments) -> Moments:
    """The moments of both samples together."""
    n = first.n + second.n
    share = second.n / jnp.maximum(n, 1)
    mean = {name: mean + share * (second.mean[name] - mean) for name, mean in first.mean.items()}
    return jax.tree.map(jnp.add, recentred(first, mean), recentred(second, mean))._replace(mean=mean)


def summed(blocks: Moments, weights: Float[Array, " blocks"]) -> Moments:
    """The moments of stacked blocks, each counted `weights` times: 0 or 1 for a jackknife, counts for a bootstrap.

    One block after the other: all at once would take the memory of the blocks again.
    """
    counts = weights * blocks.n
    share = counts / jnp.maximum(counts.sum(), 1)
    mean = {name: product(share, means) for name, means in blocks.mean.items()}

    def add(total: Moments, each: tuple[Moments, Float[Array, ""]]) -> tuple[Moments, None]:
        block, weight = each
        return jax.tree.map(lambda sum, part: sum + weight * part, total, recentred(block, mean)), None

    nothing = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), blocks)
    return lax.scan(add, nothing, (blocks, weights))[0]._replace(mean=mean)


def across(moments: Moments, axis_name: str) -> Moments:
    """The moments of the samples of all devices along a mapped axis; inside `shard_map`."""
    n = jnp.maximum(lax.psum(moments.n, axis_name), 1)
    mean = {name: lax.psum(moments.n / n * mean, axis_name) for name, mean in moments.mean.items()}
    return lax.psum(recentred(moments, mean), axis_name)._replace(mean=mean)


def stacked(blocks: Iterable[Moments]) -> Moments:
    """Moments of several blocks as one pytree with the blocks in front."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *blocks)


def recentred(moments: Moments, mean: Mapping[str, Float[Array, " _"]]) -> Moments:
    """The same samples' moments about another point: every centred sample `u` becomes `u - shift`."""
    n = moments.n
    shift = {name: mean[name] - own for name, own in moments.mean.items()}
    squared = {name: product(move, move) for name, move in shift.items()}
    power = {name: jnp.trace(moments.cross[name, name].second) for name in shift}

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
        cross={names: move(names, cross) for names, cross in moments.cross.items()},
        chance={names: move(names, cross) for names, cross in moments.chance.items()},
    )


def require_finite(moments: Moments) -> None:
    """Raises `UserError` naming the views whose samples, or their squares, are not finite numbers."""
    bad = [name for name in moments.mean if not np.isfinite(np.asarray(moments.cross[name, name].quartic)).all()]
    if bad:
        raise UserError(f"the activations of {', '.join(bad)} are not finite, or too large to square: check it")


def _mean(view: Float[Array, "n d"], weight: Float[Array, " n"], n: Float[Array, ""]) -> Float[Array, " d"]:
    """In two steps: the second takes away what rounding left in the first, however large the mean."""
    share = weight / jnp.maximum(n, 1)
    first = product(share, view)
    return first + product(share, view - first[None])


def product(a: Array, b: Array) -> Array:
    """The matrix product at full precision, also where the accelerator's default is less."""
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
