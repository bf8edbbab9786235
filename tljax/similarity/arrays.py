"""From two arrays, in memory or memory-mapped, to a figure: what stands behind every measure's own function."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from tljax.errors import UserError
from tljax.similarity import moments, tsqr
from tljax.similarity.pair import Figure, Pair, moment_pairs

Method = Literal["moments", "tsqr"]
DType = Literal["float32", "float64"]
ROWS = 8192  # samples taken to the device at a time


class Similarity(float):
    """A figure as a plain number, with what one needs to trust it as attributes.

    Attributes:
        n: the samples.
        rank, rank1, rank2: the directions that counted: the smaller, of `x`, of `y`.
        condition1, condition2: the largest over the smallest eigenvalue that counted.
        cutoff: the share of the largest eigenvalue up to which directions were dropped.
    """

    def __new__(cls, figure: Figure) -> "Similarity":
        similarity = super().__new__(cls, float(figure.value))
        similarity.n = int(figure.n)
        similarity.rank1, similarity.rank2 = int(figure.rank1), int(figure.rank2)
        similarity.rank = min(similarity.rank1, similarity.rank2)
        similarity.condition1, similarity.condition2 = float(figure.condition1), float(figure.condition2)
        similarity.cutoff = float(figure.cutoff)
        return similarity


def evaluate(measure: Callable[..., Figure], x, y, **options) -> Similarity:
    """`measure` of `x` (n dx) and `y` (n dy); the options are those of `applied`."""
    return checked(applied(measure, x, y, **options))


def checked(figure: Figure) -> Similarity:
    """Raises `UserError` where the figure would say nothing."""
    similarity = Similarity(figure)
    if similarity.rank == 0:
        raise UserError("all channels of one array are constant, so there is nothing to compare: check its activations")
    if not figure.enough:
        raise UserError(
            f"{similarity.n} samples are too few for so many channels: any two would look alike; add samples"
        )
    return similarity


def applied(
    function: Callable,
    x,
    y,
    *,
    method: Method = "moments",
    dtype: DType = "float32",
    cutoff: float | None = None,
    **options: str | float,
):
    """`function(pair, **options)`, jitted, of two arrays; returns numpy.

    Args:
        x: (n dx), y: (n dy); anything that numpy slices, read `ROWS` samples at a time.
        method: how the samples are condensed; "tsqr" for canonical correlations only.
        dtype: of all arithmetic.
        cutoff: of the eigenvalues; None: what the method and the dtype bear.

    Raises:
        UserError: the arrays are not two-dimensional, differ in n, or hold what is not a finite number.
    """
    for array in (x, y):
        if getattr(array, "ndim", None) != 2:
            raise UserError(f"an array of samples by channels (n d) is needed, not one of shape {np.shape(array)}")
    if len(x) != len(y):
        raise UserError(f"the arrays have {len(x)} and {len(y)} samples (rows): both must come from the same images")
    condense = {"moments": _moments, "tsqr": _triangle}[method]
    with jax.enable_x64(True) if dtype == "float64" else nullcontext():
        pair = condense(x, y, dtype)
        return jax.device_get(_call(pair, function, cutoff, x.shape[1], tuple(options.items())))


@partial(jax.jit, static_argnums=(1, 2, 3, 4))
def _call(state, function: Callable, cutoff: float | None, dx: int, options: tuple):
    if isinstance(state, tsqr.Triangle):
        pair: Pair = tsqr.pair(state, dx, cutoff)
    else:
        pair = moment_pairs(state, cutoff)[0]["x", "y"]
    return function(pair, **dict(options))


def _moments(x, y, dtype: DType) -> moments.Moments:
    state = moments.empty({"x": x.shape[1], "y": y.shape[1]}, [("x", "y")], dtype=dtype)
    for batch in _batches(x, y, dtype):
        state = _add_moments(state, *batch)
    moments.require_finite(state)
    return state


def _triangle(x, y, dtype: DType) -> tsqr.Triangle:
    state = tsqr.empty(x.shape[1] + y.shape[1], dtype)
    for batch in _batches(x, y, dtype):
        state = _add_triangle(state, *batch)
    if not jnp.isfinite(state.r).all():
        raise UserError("an array holds numbers that are not finite, or too large to square: check the activations")
    return state


@partial(jax.jit, donate_argnums=0)
def _add_moments(state, x, y, weight):
    return moments.added(state, {"x": x, "y": y}, weight)


_add_triangle = jax.jit(tsqr.added, donate_argnums=0)


def _batches(x, y, dtype: DType) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of both arrays in batches of one shape, the last padded with rows of weight 0."""
    rows = -(-len(x) // -(-len(x) // ROWS))  # as even as can be
    for start in range(0, len(x), rows):
        weight = np.ones(min(rows, len(x) - start), dtype)
        part = [np.asarray(array[start : start + rows], dtype) for array in (x, y)] + [weight]
        missing = rows - len(weight)
        if missing:
            part = [np.concatenate([array, np.zeros((missing, *array.shape[1:]), dtype)]) for array in part]
        yield tuple(part)
