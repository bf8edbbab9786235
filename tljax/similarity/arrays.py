"""Computes a similarity of two arrays, in memory or memory-mapped. The functions of all measures use it."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from tljax.core.errors import UserError, require_known
from tljax.similarity import moments, tsqr
from tljax.similarity.views import Measurement, ViewPair, moment_pairs

Method = Literal["moments", "tsqr"]
DType = Literal["float32", "float64"]
ROWS = 8192  # samples transferred to the device at a time
NEAR = 8  # an array is not scaled if its largest value is between 2^-8 and 2^8
RANGE = 56  # float32 can represent the squares of two channels whose largest values differ by up to 2^56
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows of x, rows of y, their weights
Scaling = Literal["each", "together", "together, bounded"]
Exponents = Int[np.ndarray, "..."]  # of two: one per channel, or one for the whole array


class Similarity(float):
    """A similarity: a float with its diagnostics as attributes.

    Attributes:
        n: the number of samples.
        rank1, rank2: the number of directions of `x` and of `y` that were used; rank: the smaller of them.
        condition1, condition2: the largest eigenvalue divided by the smallest one used.
        cutoff: directions with an eigenvalue up to this share of the largest were dropped.
        forced: the number of canonical correlations that are 1 for any samples, because n <= rank1 + rank2.
    """

    n: int
    rank: int
    rank1: int
    rank2: int
    condition1: float
    condition2: float
    cutoff: float
    forced: int


def evaluate(measure: Callable[..., Measurement], x, y, **options) -> Similarity:
    """Returns the measure of `x` (n dx) and `y` (n dy). Options and errors: see `applied` and `checked`."""
    return checked(applied(measure, x, y, **options))


def checked(measurement: Measurement) -> Similarity:
    """Returns the value with its diagnostics.

    Raises:
        UserError: there are too few samples, or an array is constant.

    Warns if some correlations are 1 for any samples.
    """
    similarity = Similarity(measurement.value)
    similarity.n = int(measurement.n)
    similarity.rank1, similarity.rank2 = int(measurement.rank1), int(measurement.rank2)
    similarity.rank = min(similarity.rank1, similarity.rank2)
    similarity.condition1, similarity.condition2 = float(measurement.condition1), float(measurement.condition2)
    similarity.cutoff, similarity.forced = float(measurement.cutoff), int(measurement.forced)
    if similarity.n < 2:
        raise UserError(f"{similarity.n} sample is too few to compare anything: add samples")
    if similarity.rank == 0:
        raise UserError("all channels of one array are constant, so there is nothing to compare: check its activations")
    if not measurement.enough:
        raise UserError(
            f"{similarity.n} samples are too few for so many channels: any two arrays would look similar; add samples"
        )
    if similarity.forced:
        warnings.warn(
            f"{similarity.forced} of {similarity.rank} correlations are 1 by arithmetic, whatever the samples: "
            f"{similarity.n} samples are no more than {similarity.rank1} + {similarity.rank2} directions; add samples",
            stacklevel=4,
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
    channels: Scaling = "together",
    **options: str | float,
):
    """Returns the result of `function(pair, **options)` for two arrays, jitted, as NumPy arrays.

    Args:
        x, y: arrays (n dx) and (n dy) that can be sliced and converted to NumPy; `ROWS` samples are read at a time.
        method: how the samples are summarised. "tsqr" is possible for canonical correlations only.
        dtype: of all arithmetic.
        cutoff: of the eigenvalues, as a share of the largest; None: the lowest that the method and the dtype allow.
        channels: how values are scaled to about 1. "each": channel by channel, for functions that do not depend on
            the scale of single channels. "together": all by one factor. "together, bounded": the same, for functions
            that also need the small channels to be accurate.

    Raises:
        UserError: the arrays are not two-dimensional, are empty, differ in n, or contain values that are not real
            numbers or not finite; their channels differ too much in magnitude for float32; the method or dtype is
            unknown; the cutoff is outside 0..1.
    """
    _check(x, y, method, dtype, cutoff)
    condense = {"moments": _moments, "tsqr": _triangle}[method]
    exponents = [_exponents(array, dtype, channels) for array in (x, y)]
    with jax.enable_x64(True) if dtype == "float64" else nullcontext():
        pair = condense(_batches(x, y, exponents, dtype), x.shape[1], y.shape[1], dtype)
        return jax.device_get(_call(pair, function, cutoff, x.shape[1], tuple(options.items())))


def _check(x, y, method: str, dtype: str, cutoff: float | None) -> None:
    for array in (x, y):
        if getattr(array, "ndim", None) != 2 or 0 in array.shape:
            raise UserError(f"an array of samples by channels (n d) is needed, but one has the shape {np.shape(array)}")
        kind = np.asarray(array[:1]).dtype
        if not any(jnp.issubdtype(kind, real) for real in (jnp.floating, jnp.integer, jnp.bool_)):
            raise UserError(f"an array of real numbers is needed, but one holds values of type {kind}: convert it")
    if len(x) != len(y):
        raise UserError(f"the arrays have {len(x)} and {len(y)} samples (rows): both must come from the same images")
    require_known("method", method, get_args(Method))
    require_known("dtype", dtype, get_args(DType))
    if cutoff is not None and not 0 <= cutoff < 1:
        raise UserError(f"cutoff {cutoff}: it is a share of the largest eigenvalue, from 0 up to 1")


@partial(jax.jit, static_argnums=(1, 2, 3, 4))
def _call(state, function: Callable, cutoff: float | None, dx: int, options: tuple):
    if isinstance(state, tsqr.Triangle):
        pair: ViewPair = tsqr.pair(state, dx, cutoff)
    else:
        pair = moment_pairs(state, cutoff)["x", "y"]
    return function(pair, **dict(options))


def _moments(batches: Iterable[Batch], dx: int, dy: int, dtype: DType) -> moments.Moments:
    state = moments.empty({"x": dx, "y": dy}, [("x", "y")], dtype=dtype)
    for batch in batches:
        state = _add_moments(state, *batch)
    return state


def _triangle(batches: Iterable[Batch], dx: int, dy: int, dtype: DType) -> tsqr.Triangle:
    state = tsqr.empty(dx + dy, dtype)
    for batch in batches:
        state = _add_triangle(state, *batch)
    return state


@partial(jax.jit, donate_argnums=0)
def _add_moments(state, x, y, weight):
    return moments.added(state, {"x": x, "y": y}, weight)


_add_triangle = jax.jit(tsqr.added, donate_argnums=0)


def _batches(x, y, exponents: Sequence[Exponents], dtype: DType) -> Iterator[Batch]:
    """Yields scaled rows of both arrays in batches of one shape. The last batch is padded with rows of weight 0."""
    rows = -(-len(x) // -(-len(x) // ROWS))  # batches of about equal size
    for start in range(0, len(x), rows):
        weight = np.ones(min(rows, len(x) - start), dtype)
        parts = [
            _scaled(array[start : start + rows], exponent, dtype)
            for array, exponent in zip((x, y), exponents, strict=True)
        ]
        padding = rows - len(weight)
        one, other, weight = (
            np.concatenate([each, np.zeros((padding, *each.shape[1:]), dtype)]) if padding else each
            for each in (*parts, weight)
        )
        yield one, other, weight


def _exponents(array, dtype: DType, channels: Scaling) -> Exponents:
    """Returns the exponent of two that scales the largest value to between 0.5 and 1, or one exponent per channel.

    No measure depends on the scale of an array, but float32 cannot represent fourth powers of very small or large
    numbers. If the largest value is near 1, the exponent is 0, which avoids a copy.
    """
    largest = np.zeros(array.shape[1])
    for start in range(0, len(array), ROWS):
        part = np.asarray(array[start : start + ROWS])
        ends = part.max(axis=0).astype(float), -part.min(axis=0).astype(float)  # integers without a sign would wrap
        largest = np.maximum(largest, np.maximum(*ends))  # NaN stays
    if not np.isfinite(largest).all():
        raise UserError("an array contains values that are not finite: check the activations")
    exponents = -np.frexp(largest)[1]
    varying = exponents[largest > 0]
    if channels == "together, bounded" and dtype == "float32" and len(varying) and np.ptp(varying) > RANGE:
        raise UserError(
            f"the largest values of the channels differ by a factor of 2^{np.ptp(varying)}, too much for float32: use "
            "dtype float64"
        )
    if channels != "each":
        exponents = -np.frexp(largest.max())[1]
    return np.where(np.abs(exponents) > NEAR, exponents, 0)


def _scaled(part, exponent: Exponents, dtype: DType) -> np.ndarray:
    """Returns the values times two to the exponent, computed in a precision that represents input and result."""
    part = np.asarray(part)
    if not exponent.any():
        return part.astype(dtype, copy=False)
    return np.ldexp(part.astype(np.promote_types(part.dtype, dtype), copy=False), exponent).astype(dtype, copy=False)
