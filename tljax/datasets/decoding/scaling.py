"""Scales numbers of more than 8 bits to grey values of 8 bits."""

import numpy as np
from jaxtyping import Bool, Float, Num, UInt8

from tljax.datasets.decoding.errors import BadImage

Number = int | float
ROWS = 256  # rows scaled at a time, so that a large image is not in memory as floats


def stretch(pixels: Num[np.ndarray, "..."], seen: Bool[np.ndarray, "..."] | None = None) -> UInt8[np.ndarray, "..."]:
    """Maps the smallest value to 0 and the largest to 255, linearly. Values outside of 0..255 are clipped.

    Args:
        seen: the pixels whose smallest and largest values count; by default all.

    Raises:
        BadImage: the image is constant, or not finite.
    """
    counted = pixels if seen is None or not seen.any() else pixels[seen]
    refuse_not_finite(counted)
    low, high = counted.min().item(), counted.max().item()
    if low == high:
        raise BadImage(f"has {pixels.dtype} pixels that all equal {low:g}: nothing to see")
    return scale(pixels, low, high)


def scale(pixels: Num[np.ndarray, "..."], low: Number, high: Number) -> UInt8[np.ndarray, "..."]:
    """Maps [low, high] to 0..255 linearly; values outside are clipped."""
    shown = np.empty(pixels.shape, np.uint8)
    factor = 255 / (high - low)
    with np.errstate(over="ignore"):  # far outside
        for start in range(0, len(pixels), ROWS):
            shown[start : start + ROWS] = np.clip(
                np.rint(_above(pixels[start : start + ROWS], low, high, factor)), 0, 255
            )
    return shown


def _above(part: Num[np.ndarray, "..."], low: Number, high: Number, factor: float) -> Float[np.ndarray, "..."]:
    """Returns the differences of the values from `low`, times `factor`."""
    if part.dtype.kind in "iu" and part.dtype.itemsize == 8:  # float64 has 53 bits of precision
        within = np.clip(part, low, high).astype(np.uint64)
        return (within - np.uint64(int(low) % (1 << 64))).astype(np.float64) * factor
    exact = part.dtype.itemsize <= 2 or part.dtype in (np.float16, np.float32)
    kind = np.float32 if exact else np.float64  # float32 has 24 bits of precision
    return (part.astype(kind) - kind(low)) * kind(factor)


def refuse_not_finite(pixels: Num[np.ndarray, "..."]) -> None:
    """Raises `BadImage` if a pixel is NaN or infinite."""
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise BadImage("has pixels that are not finite numbers")
