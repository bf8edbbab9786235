"""Why an image cannot be used, and how numbers of more than 8 bits become pixels."""

import numpy as np
from jaxtyping import Bool, Num, UInt8

ROWS = 256  # of an image that are windowed or stretched at a time


class BadImage(Exception):
    """One image cannot be used. The message is the reason; the caller adds the name."""


class NoDecoder(BadImage):
    """The image may be in order, but what reads it is not installed."""


def stretch(pixels: Num[np.ndarray, "..."], seen: Bool[np.ndarray, "..."] | None = None) -> UInt8[np.ndarray, "..."]:
    """Maps the least value to 0 and the greatest to 255, of those that are `seen`, by default all.

    Raises `BadImage` for a constant or non-finite image.
    """
    counted = pixels if seen is None or not seen.any() else pixels[seen]
    low, high = float(counted.min()), float(counted.max())
    if not np.isfinite([low, high]).all():
        raise BadImage("has pixels that are not finite numbers")
    if low == high:
        raise BadImage(f"has {pixels.dtype} pixels that all equal {low:g}: nothing to see")
    return _scale(pixels, low, high)


def _scale(pixels: Num[np.ndarray, "..."], low: float, high: float) -> UInt8[np.ndarray, "..."]:
    """Maps [low, high] to 0..255 linearly; what lies outside is clipped."""
    shown = np.empty(pixels.shape, np.uint8)
    for start in range(0, len(pixels), ROWS):  # in parts, as a large image should not lie in memory as floats
        part = pixels[start : start + ROWS].astype(np.float32)
        scaled = (part - np.float32(low)) * np.float32(255 / (high - low))
        shown[start : start + ROWS] = np.clip(np.rint(scaled), 0, 255)
    return shown
