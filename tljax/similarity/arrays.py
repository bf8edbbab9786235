"""From two arrays, in memory or memory-mapped, to a figure: what stands behind every measure's own function."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Literal, get_args

import jax
import numpy as np

from tljax.core.errors import UserError, require_known
from tljax.similarity import moments, tsqr
from tljax.similarity.pair import Figure, Pair, moment_pairs

Method = Literal["moments", "tsqr"]
DType = Literal["float32", "float64"]
ROWS = 8192  # samples taken to the device at a time
NEAR = 8  # powers of two from 1 within which the largest number of an array may stay as it is


class Similarity(float):
    """A figure as a plain number, with what one needs to trust it as attributes.

    Attributes:
        n: the samples.
        rank, rank1, rank2: the directions that counted: the smaller, of `x`, of `y`.
        condition1, condition2: the largest over the smallest eigenvalue that counted.
        cutoff: the share of the largest eigenvalue up to which directions were dropped.
        forced: canonical correlations that are 1 by arithmetic, whatever the samples, as n <= rank1 + rank2.
    """

    def __new__(cls, figure: Figure) -> "Similarity":
        similarity = super().__new__(cls, float(figure.value))
        similarity.n = int(figure.n)
        similarity.rank1, similarity.rank2 = int(figure.rank1), int(figure.rank2)
        similarity.rank = min(similarity.rank1, similarity.rank2)
        similarity.condition1, similarity.condition2 = float(figure.condition1), float(figure.condition2)
        similarity.cutoff, similarity.forced = float(figure.cutoff), int(figure.forced)
        return similarity

    def __reduce__(self) -> tuple:
        return _restored, (float(self), vars(self))


def _restored(value: float, attributes: dict) -> Similarity:
    """What was pickled."""
    similarity = float.__new__(Similarity, value)
    vars(similarity).update(attributes)
    return similarity


def evaluate(measure: Callable[..., Figure], x, y, **options) -> Similarity:
    """`measure` of `x` (n dx) and `y` (n dy); the options are those of `applied`."""
    return checked(applied(measure, x, y, **options))


def checked(figure: Figure) -> Similarity:
    """Raises `UserError` where the figure would say nothing, and warns where it says less than it seems to."""
    similarity = Similarity(figure)
    if similarity.n < 2:
        raise UserError(f"{similarity.n} sample is too few to compare anything: add samples")
    if similarity.rank == 0:
        raise UserError("all channels of one array are constant, so there is nothing to compare: check its activations")
    if not figure.enough:
        raise UserError(
            f"{similarity.n} samples are too few for so many channels: any two would look alike; add samples"
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
    **options: str | float,
):
    """`function(pair, **options)`, jitted, of two arrays; returns numpy.

    Args:
        x: (n dx), y: (n dy); anything that numpy slices, read `ROWS` samples at a time.
        method: how the samples are condensed; "tsqr" for canonical correlations only.
        dtype: of all arithmetic.
        cutoff: of the eigenvalues; None: what the method and the dtype bear.

    Raises:
        UserError: the arrays are not two-dimensional, empty, differ in n, or hold what is not a finite number; an
            unknown method or dtype, a cutoff that is no share.
    """
    _check(x, y, method, dtype, cutoff)
    condense = {"moments": _moments, "tsqr": _triangle}[method]
    with jax.enable_x64(True) if dtype == "float64" else nullcontext():
        pair = condense(x, y, dtype)
        return jax.device_get(_call(pair, function, cutoff, x.shape[1], tuple(options.items())))


def _check(x, y, method: str, dtype: str, cutoff: float | None) -> None:
    for array in (x, y):
        if getattr(array, "ndim", None) != 2 or 0 in array.shape:
            raise UserError(f"an array of samples by channels (n d) is needed, not one of shape {np.shape(array)}")
    if len(x) != len(y):
        raise UserError(f"the arrays have {len(x)} and {len(y)} samples (rows): both must come from the same images")
    require_known("method", method, get_args(Method))
    require_known("dtype", dtype, get_args(DType))
    if cutoff is not None and not 0 <= cutoff < 1:
        raise UserError(f"cutoff {cutoff}: it is a share of the largest eigenvalue, from 0 up to 1")


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
    return state


def _triangle(x, y, dtype: DType) -> tsqr.Triangle:
    state = tsqr.empty(x.shape[1] + y.shape[1], dtype)
    for batch in _batches(x, y, dtype):
        state = _add_triangle(state, *batch)
    return state


@partial(jax.jit, donate_argnums=0)
def _add_moments(state, x, y, weight):
    return moments.added(state, {"x": x, "y": y}, weight)


_add_triangle = jax.jit(tsqr.added, donate_argnums=0)


def _batches(x, y, dtype: DType) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of both arrays in batches of one shape, the last padded with rows of weight 0; each array in its `_unit`."""
    rows = -(-len(x) // -(-len(x) // ROWS))  # as even as can be
    units = [_unit(array) for array in (x, y)]
    for start in range(0, len(x), rows):
        weight = np.ones(min(rows, len(x) - start), dtype)
        part = [_scaled(array[start : start + rows], unit, dtype) for array, unit in zip((x, y), units, strict=True)]
        part.append(weight)
        missing = rows - len(weight)
        if missing:
            part = [np.concatenate([array, np.zeros((missing, *array.shape[1:]), dtype)]) for array in part]
        yield tuple(part)


def _unit(array) -> int:
    """The power of two that brings the largest number to 1 (within a factor of two); 0, sparing a copy, if it is near.

    No measure sees the scale of an array, but squares, and squares of squares, of small or large numbers leave float32.
    """
    largest = 0.0
    for start in range(0, len(array), ROWS):
        part = np.asarray(array[start : start + ROWS])
        largest = max(largest, abs(float(part.max())), abs(float(part.min())), key=_nan_first)
    if not math.isfinite(largest):
        raise UserError("an array holds numbers that are not finite: check the activations")
    unit = -math.frexp(largest)[1]
    return unit if abs(unit) > NEAR else 0


def _nan_first(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _scaled(part, unit: int, dtype: DType) -> np.ndarray:
    """In a precision that holds both the part as it is and what it becomes."""
    part = np.asarray(part)
    if unit == 0:
        return part.astype(dtype, copy=False)
    return np.ldexp(part.astype(np.promote_types(part.dtype, dtype), copy=False), unit).astype(dtype, copy=False)
