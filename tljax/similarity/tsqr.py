"""Summarises two views by a QR decomposition instead of moments.

This does not square the condition number, so the cut-off can be much lower. The triangular factor R of the centred
samples `[x y]` determines all their inner products, because `x = Q R[:, :dx]` and `y = Q R[:, dx:]`. It is computed in
one pass: the QR decomposition of the current R stacked on the next batch gives the next R (tall-skinny QR, Demmel et
al. 2012).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from tljax.similarity.basis import Basis, masked, unit_length
from tljax.similarity.moments import product
from tljax.similarity.views import EXPLAINED, View, ViewPair

CUTOFF = {"float32": 1e-10, "float64": 1e-24}  # of the largest squared singular value


class Triangle(NamedTuple):
    """The summary of the samples seen so far."""

    n: Float[Array, ""]
    mean: Float[Array, " d"]  # of x's channels, then of y's
    r: Float[Array, "d d"]


def empty(width: int, dtype=jnp.float32) -> Triangle:
    """Returns the summary of no samples; `width` is the number of channels of both views together."""
    return Triangle(jnp.zeros((), dtype), jnp.zeros(width, dtype), jnp.zeros((width, width), dtype))


def added(triangle: Triangle, x: Float[Array, "n dx"], y: Float[Array, "n dy"], weight: Float[Array, " n"]) -> Triangle:
    """Returns the summary with one more batch; `weight` is 1 for a sample and 0 for padding."""
    batch = jnp.concatenate([x, y], axis=1)
    n = weight.sum()
    mean = product(weight / n, batch)
    mean += product(weight / n, batch - mean[None])  # removes the rounding error
    total, apart = triangle.n + n, mean - triangle.mean
    scatter = jnp.sqrt(triangle.n * n / total) * apart  # of the two batches' means
    rows = jnp.concatenate([triangle.r, (batch - mean[None]) * weight[:, None], scatter[None]])
    return Triangle(total, triangle.mean + n / total * apart, jnp.linalg.qr(rows, mode="r"))


def pair(triangle: Triangle, dx: int, cutoff: float | None = None) -> "QRPair":
    """Returns the two views; the first has `dx` channels."""
    n, mean, r = triangle
    cutoff = CUTOFF[n.dtype.name] if cutoff is None else cutoff
    return QRPair(QRView(n, mean[:dx], cutoff, r[:, :dx]), QRView(n, mean[dx:], cutoff, r[:, dx:]))


@dataclass(frozen=True)
class QRView(View):
    """A view given by its columns of R. Its bases are in the coordinates of Q, which both views share."""

    columns: Float[Array, "m d"]

    @cached_property
    def span(self) -> Basis:
        scale = unit_length(jnp.square(self.columns).sum(0), self.mean, self.n)
        return masked(*_squared(self.columns * scale[None]), self.cutoff)

    @cached_property
    def principal(self) -> Basis:
        return masked(*_squared(self.columns), self.cutoff, EXPLAINED)

    def loadings(self, basis: Basis) -> Float[Array, "k d"]:
        return product(basis.map.T, self.columns)


@dataclass(frozen=True)
class QRPair(ViewPair):
    """Two views in the coordinates of one Q."""

    def between(self, x: Basis, y: Basis) -> Float[Array, "dx dy"]:
        return product(x.map.T, y.map)


def _squared(columns: Float[Array, "m d"]) -> tuple[Float[Array, " d"], Float[Array, "m d"]]:
    """Returns squared singular values, descending, and the left singular vectors, each times its singular value."""
    left, values, _ = jnp.linalg.svd(columns, full_matrices=False)
    return jnp.square(values), left * values[None]
