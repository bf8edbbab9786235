"""Positions of image patches: learned embeddings on a grid of any size, and rotary angles."""

import math
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from tljax.models.precision import at_least_float32


@dataclass(frozen=True)
class Interpolation:
    """How a library resizes its grid of position embeddings: always bicubic, but with different details.

    antialias: whether the kernel is wider if the grid shrinks, as in `torch.nn.functional.interpolate(antialias=True)`.
    align_corners: whether the centres of the corner cells stay in place, instead of the borders of the grid.
    offset: added to the new side before the scale is computed, as in DINO and DINOv2.
    """

    antialias: bool = False
    align_corners: bool = False
    offset: float = 0.0


SIZED = Interpolation()  # transformers, MAE
SCALED = Interpolation(offset=0.1)  # DINO, DINOv2: by a factor that is slightly too large
ANTIALIASED = Interpolation(antialias=True)  # timm, open_clip; DINOv2 with registers, in transformers too
CORNERS = Interpolation(align_corners=True)  # torchvision


def resize(grid: Float[Array, "h w c"], size: tuple[int, int], interpolation: Interpolation) -> Float[Array, "h2 w2 c"]:
    """Resizes a grid of position embeddings to `size` (rows, columns). A grid of that size is returned unchanged."""
    if grid.shape[:2] == size:
        return grid
    rows, columns = (
        jnp.asarray(bicubic_matrix(old, new, interpolation), grid.dtype)
        for old, new in zip(grid.shape[:2], size, strict=True)
    )
    return jnp.einsum("ih,jw,hwc->ijc", rows, columns, grid, precision=jax.lax.Precision.HIGHEST)


@cache
def bicubic_matrix(old: int, new: int, interpolation: Interpolation) -> Float[np.ndarray, "new old"]:
    """Returns the weight of each of `old` samples in each of `new` samples in PyTorch's bicubic interpolation.

    Without antialiasing, the cubic kernel has a = -0.75, and samples at the border are repeated. With antialiasing,
    a = -0.5, and the weights of the existing samples are scaled so that their sum is 1.
    """
    if interpolation.align_corners:
        scale = (old - 1) / (new - 1) if new > 1 else 0.0
        centres = np.arange(new) * scale
    else:
        scale = old / (new + interpolation.offset)
        centres = (np.arange(new) + 0.5) * scale - 0.5
    matrix = np.zeros((new, old))
    if interpolation.antialias:
        weights = _cubic((np.arange(old)[None, :] - centres[:, None]) / max(scale, 1.0), a=-0.5)
        return weights / weights.sum(axis=1, keepdims=True)
    for step in range(-1, 3):
        sample = np.floor(centres).astype(int) + step
        np.add.at(matrix, (np.arange(new), np.clip(sample, 0, old - 1)), _cubic(sample - centres, a=-0.75))
    return matrix


def _cubic(distance: Float[np.ndarray, "*n"], a: float) -> Float[np.ndarray, "*n"]:
    """Returns the value of the cubic convolution kernel (Keys 1981)."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@cache
def rotary_angles(size: tuple[int, int], channels: int, temperature: float) -> Float[np.ndarray, "t half"]:
    """Returns the angles by which DINOv3 rotates the pairs of channels of a head, for patches of a grid in row order.

    The coordinates of patches range from -1 to 1 along each side (Siméoni et al. 2025,
    https://arxiv.org/abs/2508.10104). The angle of the first half of the pairs depends on the row, that of the second
    half on the column, each with `channels / 4` frequencies.
    """
    places = [2 * (np.arange(n) + 0.5) / n - 1 for n in size]
    y, x = (place.ravel() for place in np.meshgrid(*places, indexing="ij"))
    periods = temperature ** (np.arange(channels // 4) / (channels // 4))
    return np.concatenate([2 * math.pi * place[:, None] / periods for place in (y, x)], axis=1)


def rotate(x: Float[Array, "b n t d"], angles: Float[np.ndarray, "t2 half"], prefix: int) -> Float[Array, "b n t d"]:
    """Rotates each pair (channel i, channel i + d/2) by its angle, in all tokens except the first `prefix`."""
    table = np.concatenate([np.zeros((prefix, angles.shape[1])), angles])
    first, second = jnp.split(at_least_float32(x), 2, axis=-1)
    cosine, sine = (jnp.asarray(f(table), first.dtype)[None, None] for f in (np.cos, np.sin))
    rotated = jnp.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)
    return rotated.astype(x.dtype)
