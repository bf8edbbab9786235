"""What a measure sees of two representations, and the figure it returns."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from tljax.similarity.basis import CUTOFF, Basis, eigen, masked, unit_length
from tljax.similarity.moments import Cross, Moments, PairName, product

EXPLAINED = 0.99  # of the variance, by the directions that SVCCA keeps (Raghu et al. 2017)


class Figure(NamedTuple):
    """A measure's value and what one needs to trust it."""

    value: Float[Array, ""]  # 0: nothing in common, 1: the same up to what the measure forgives
    n: Float[Array, ""]
    rank1: Int[Array, ""]
    rank2: Int[Array, ""]
    condition1: Float[Array, ""]
    condition2: Float[Array, ""]
    cutoff: Float[Array, ""]
    enough: Bool[Array, ""]  # False: too few samples for the value to say anything
    forced: Int[Array, ""]  # correlations that are 1 by arithmetic, as the samples leave no room for less


@dataclass(frozen=True)
class View(ABC):
    """One representation. A basis is made when first asked for, once for all the measures and pairs that ask."""

    n: Float[Array, ""]
    mean: Float[Array, " d"]
    cutoff: float

    @property
    @abstractmethod
    def span(self) -> Basis:
        """Of all that the channels span, each channel scaled to unit variance."""

    @property
    @abstractmethod
    def principal(self) -> Basis:
        """Of the principal components, the channels as they are, that explain 99 % of the variance."""

    @abstractmethod
    def loadings(self, basis: Basis) -> Float[Array, "k d"]:
        """The inner products of the basis's directions (rows) with the centred channels (columns)."""


@dataclass(frozen=True)
class Pair(ABC):
    """Two representations of the same samples: all that canonical correlations need."""

    x: View
    y: View

    @abstractmethod
    def between(self, x: Basis, y: Basis) -> Float[Array, "dx dy"]:
        """The inner products of two bases' directions; their singular values are the canonical correlations."""

    def correlations(self, x: Basis, y: Basis) -> Float[Array, " d"]:
        """The canonical correlations of two bases, falling, 0 beyond the smaller rank; 0..1."""
        values = jnp.linalg.svd(self.between(x, y), compute_uv=False)
        return jnp.where(counted(values, x, y), jnp.clip(values, 0, 1), 0)

    def over_rank(self, total: Float[Array, ""], x: Basis, y: Basis) -> Float[Array, ""]:
        """The mean of what sums to `total` over the correlations of two bases."""
        return total / jnp.maximum(jnp.minimum(x.rank, y.rank), 1).astype(total.dtype)

    def figure(self, value: Float[Array, ""], enough: Bool[Array, ""], x: Basis, y: Basis) -> Figure:
        """`value` beside the diagnostics of the bases of both sides."""
        none = jnp.zeros((), x.rank.dtype)
        return Figure(value, self.x.n, x.rank, y.rank, x.condition, y.condition, x.cutoff, enough, none)

    def canonical_figure(self, value: Float[Array, ""], x: Basis, y: Basis) -> Figure:
        """The same of what is made of canonical correlations, which too few samples raise.

        The centred samples span n - 1 dimensions: so many as two bases together exceed that, they have in common.
        """
        forced = jnp.maximum(x.rank + y.rank - (self.x.n.astype(x.rank.dtype) - 1), 0)
        enough = self.x.n > max(self.x.mean.size, self.y.mean.size)
        return self.figure(value, enough, x, y)._replace(forced=forced)


def counted(values: Float[Array, " d"], x: Basis, y: Basis) -> Bool[Array, " d"]:
    """Which of the falling singular values between two bases are correlations: as many as the smaller rank."""
    return jnp.arange(values.size) < jnp.minimum(x.rank, y.rank)


@dataclass(frozen=True)
class MomentView(View):
    """A view of which the moments are known."""

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
class MomentPair(Pair):
    """Two views of which the moments are known: enough for every measure."""

    x: MomentView
    y: MomentView
    cross: Cross

    def between(self, x: Basis, y: Basis) -> Float[Array, "dx dy"]:
        return product(product(x.map.T, self.cross.second), y.map)


def moment_pairs(
    moments: Moments, cutoff: float | None = None
) -> tuple[dict[PairName, MomentPair], dict[PairName, MomentPair]]:
    """Every pair of different views, and again those whose second samples stand beside strangers.

    Views in common are shared, so that each is decomposed once. `cutoff` is a share of the largest eigenvalue of the
    correlation matrix; None: what the precision bears.
    """
    cutoff = CUTOFF[moments.n.dtype.name] if cutoff is None else cutoff
    own = {name: moments.cross[name, name] for name in moments.mean}
    views = {name: MomentView(moments.n, mean, cutoff, own[name]) for name, mean in moments.mean.items()}

    def pairs(crosses: dict[PairName, Cross]) -> dict[PairName, MomentPair]:
        return {(a, b): MomentPair(views[a], views[b], cross) for (a, b), cross in crosses.items() if a != b}

    return pairs(moments.cross), pairs(moments.chance)
