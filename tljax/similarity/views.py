"""The input of a measure (two representations of the same samples) and its result."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from tljax.similarity.basis import CUTOFF, Basis, eigen, masked, unit_length
from tljax.similarity.moments import Cross, Moments, PairName, mismatched, product

EXPLAINED = 0.99  # of the variance, by the directions that SVCCA keeps (Raghu et al. 2017)


class Measurement(NamedTuple):
    """The value of a measure, with diagnostics of its reliability."""

    value: Float[Array, ""]  # 1: equal up to maps to which the measure is invariant
    n: Float[Array, ""]
    rank1: Int[Array, ""]
    rank2: Int[Array, ""]
    condition1: Float[Array, ""]
    condition2: Float[Array, ""]
    cutoff: Float[Array, ""]
    enough: Bool[Array, ""]  # False: too few samples for a meaningful value
    forced: Int[Array, ""]  # correlations that are 1 for any samples, because there are too few


@dataclass(frozen=True)
class View(ABC):
    """One representation. Each basis is computed when it is first needed, and kept."""

    n: Float[Array, ""]
    mean: Float[Array, " d"]
    cutoff: float

    @property
    @abstractmethod
    def span(self) -> Basis:
        """The basis of the span of all channels, each scaled to unit variance."""

    @property
    @abstractmethod
    def principal(self) -> Basis:
        """The basis of the principal components that explain 99 % of the variance of the unscaled channels."""

    @abstractmethod
    def loadings(self, basis: Basis) -> Float[Array, "k d"]:
        """Returns the inner products of the basis's directions (rows) with the centred channels (columns)."""


@dataclass(frozen=True)
class ViewPair(ABC):
    """Two representations of the same samples, as far as canonical correlations need them."""

    x: View
    y: View

    @abstractmethod
    def between(self, x: Basis, y: Basis) -> Float[Array, "dx dy"]:
        """Returns the inner products of two bases' directions. Their singular values are the canonical correlations."""

    def correlations(self, x: Basis, y: Basis) -> Float[Array, " d"]:
        """Returns the canonical correlations of two bases in 0..1, in descending order; 0 beyond the smaller rank."""
        values = jnp.linalg.svd(self.between(x, y), compute_uv=False)
        return jnp.where(counted(values, x, y), jnp.clip(values, 0, 1), 0)

    def over_rank(self, total: Float[Array, ""], x: Basis, y: Basis) -> Float[Array, ""]:
        """Returns `total`, a sum over the correlations of two bases, divided by their number."""
        return total / jnp.maximum(jnp.minimum(x.rank, y.rank), 1).astype(total.dtype)

    def measurement(self, value: Float[Array, ""], enough: Bool[Array, ""], x: Basis, y: Basis) -> Measurement:
        """Returns `value` with the diagnostics of the bases of both sides."""
        none = jnp.zeros((), x.rank.dtype)
        return Measurement(value, self.x.n, x.rank, y.rank, x.condition, y.condition, x.cutoff, enough, none)

    def canonical_measurement(self, value: Float[Array, ""], x: Basis, y: Basis) -> Measurement:
        """Returns `value`, made of canonical correlations, with diagnostics and the number of correlations forced to 1.

        The centred samples span n - 1 dimensions. If the ranks of both bases sum to more, the excess is the number of
        correlations that are 1.
        """
        forced = jnp.maximum(x.rank + y.rank - (self.x.n.astype(x.rank.dtype) - 1), 0)
        enough = self.x.n > max(self.x.mean.size, self.y.mean.size)
        return self.measurement(value, enough, x, y)._replace(forced=forced)


def counted(values: Float[Array, " d"], x: Basis, y: Basis) -> Bool[Array, " d"]:
    """Returns which singular values between two bases, in descending order, are correlations: the smaller rank."""
    return jnp.arange(values.size) < jnp.minimum(x.rank, y.rank)


@dataclass(frozen=True)
class MomentView(View):
    """A view whose moments are known."""

    own: Cross  # with itself

    @cached_property
    def span(self) -> Basis:
        scale = unit_length(jnp.diagonal(self.own.second), self.mean, self.n)
        return masked(*eigen(self.own.second, scale), self.cutoff)

    @cached_property
    def principal(self) -> Basis:
        power = jnp.trace(self.own.second)
        scale = jnp.full_like(self.mean, 1 / jnp.sqrt(jnp.where(power > 0, power, 1)))
        return masked(*eigen(self.own.second, scale), self.cutoff, EXPLAINED)

    def loadings(self, basis: Basis) -> Float[Array, "k d"]:
        return product(basis.map.T, self.own.second)


@dataclass(frozen=True)
class MomentPair(ViewPair):
    """Two views whose moments are known. Every measure can be computed from them."""

    x: MomentView
    y: MomentView
    cross: Cross

    def between(self, x: Basis, y: Basis) -> Float[Array, "dx dy"]:
        return product(product(x.map.T, self.cross.second), y.map)


def moment_pairs(moments: Moments, cutoff: float | None = None) -> dict[PairName, MomentPair]:
    """Returns every pair of different views. Pairs share their views, so that each view is decomposed once.

    Args:
        cutoff: a share of the largest eigenvalue of the correlation matrix; None: as low as the precision allows.
    """
    cutoff = CUTOFF[moments.n.dtype.name] if cutoff is None else cutoff
    views = {
        name: MomentView(moments.n, mean, cutoff, moments.cross[name, name]) for name, mean in moments.mean.items()
    }
    return {(a, b): MomentPair(views[a], views[b], cross) for (a, b), cross in moments.cross.items() if a != b}


def with_mismatched(pairs: Mapping[PairName, MomentPair], moments: Moments) -> dict[PairName, MomentPair]:
    """Returns the same pairs with the cross moments of mismatched samples: an image in a, another image in b.

    Args:
        moments: those of the views `a` and `mismatched(b)`, over the samples of `pairs`.
    """
    return {(a, b): replace(pair, cross=moments.cross[a, mismatched(b)]) for (a, b), pair in pairs.items()}
