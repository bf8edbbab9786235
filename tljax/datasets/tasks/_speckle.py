"""Simulates B-mode ultrasound of a lesion in tissue: fully developed speckle from a point-spread function.

Scatterers have Gaussian amplitude and random phase. They are weighted by the echogenicity of their surroundings, and
convolved with the point-spread function: a Gaussian along the beam and a wider one across it, at baseband, where the
carrier is a phase of the scatterers. The envelope of the echo is log-compressed to 8 bits.

Lengths are fractions of the image's side, so that another image size changes the sampling but not the scene.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import convolve1d

MIN_GRID = 128  # smaller images are simulated on such a grid and averaged, so that speckle is not aliased
DYNAMIC_RANGE = 55.0  # decibels shown between black and white
HEADROOM = 8.0  # decibels between the brightest speckle and white


@dataclass(frozen=True)
class Texture:
    """Speckle and tissue. `axial` and `lateral` are the standard deviations of the point-spread function; `layers` is
    the depth of the bright and dark bands of tissue in decibels, `band` their number."""

    axial: float = 0.008
    lateral: float = 0.014
    layers: float = 4.0
    band: float = 3.0


@dataclass(frozen=True)
class Lesion:
    """A closed contour around `centre` (row, column): an ellipse of half axes `radii`, turned by `angle` (radians).

    `waves` are (order, relative amplitude, phase) of the smooth irregularities, `spicules` are (angle, relative
    height, width in radians) of the thin rays. `echo` is the lesion's level against the tissue and `shadow` that of the
    tissue behind it, in decibels; `margin` is the width of the border relative to the radius.
    """

    centre: tuple[float, float]
    radii: tuple[float, float]
    angle: float
    waves: tuple[tuple[int, float, float], ...] = ()
    spicules: tuple[tuple[float, float, float], ...] = ()
    echo: float = -10.0
    shadow: float = 0.0
    margin: float = 0.08


@dataclass(frozen=True)
class Scene:
    """What an image shows."""

    texture: Texture = field(default_factory=Texture)
    lesions: tuple[Lesion, ...] = ()


def render(scene: Scene, seed: tuple[int, ...], size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Returns the scene's image: a pure function of the scene, the seed and the size in pixels."""
    rng = np.random.default_rng(seed)
    factor = -(-MIN_GRID // size)
    grid = size * factor
    echogenicity = _tissue(scene.texture, rng, grid)
    for lesion in scene.lesions:
        echogenicity = echogenicity + _lesion(lesion, grid)
    scatterers = rng.standard_normal((2, grid, grid), np.float32) * 10 ** (echogenicity / np.float32(20))
    grey = _compress(envelope(scatterers, scene.texture))
    grey = grey.reshape(size, factor, size, factor).mean(axis=(1, 3))
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)


def _axes(grid: int) -> tuple[Float[np.ndarray, "grid 1"], Float[np.ndarray, "1 grid"]]:
    centres = ((np.arange(grid) + 0.5) / grid).astype(np.float32)
    return centres[:, None], centres[None, :]


def _tissue(texture: Texture, rng: np.random.Generator, grid: int) -> Float[np.ndarray, "grid grid"]:
    """Returns wavy layers across the beam, in decibels."""
    depth, across = _axes(grid)
    phase, tilt, wave = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1), rng.uniform(0, 2 * np.pi)
    ripple = np.float32(0.03) * np.sin(np.float32(6) * across + np.float32(wave))
    bent = depth + np.float32(0.15 * tilt) * across + ripple
    return np.float32(texture.layers) * np.sin(np.float32(2 * np.pi * texture.band) * bent + np.float32(phase))


def _lesion(lesion: Lesion, grid: int) -> Float[np.ndarray, "grid grid"]:
    """Returns what the lesion and its shadow add to the tissue, in decibels."""
    depth, across = _axes(grid)
    dy, dx = depth - np.float32(lesion.centre[0]), across - np.float32(lesion.centre[1])
    theta = np.arctan2(dy, dx) - np.float32(lesion.angle)
    long, short = (np.float32(radius) for radius in lesion.radii)
    radius = long * short / np.hypot(short * np.cos(theta), long * np.sin(theta))
    growth = np.ones_like(radius)
    for order, amplitude, phase in lesion.waves:
        growth += np.float32(amplitude) * np.cos(np.float32(order) * theta + np.float32(phase))
    for angle, height, width in lesion.spicules:
        away = np.angle(np.exp(1j * (theta - np.float32(angle)))).astype(np.float32)
        growth += np.float32(height) * np.exp(-((away / np.float32(width)) ** 2))
    reach = np.hypot(dy, dx) / (radius * growth)
    inside = 1 / (1 + np.exp(np.clip((reach - 1) / np.float32(lesion.margin), -30, 30)))
    behind = np.clip(dy / long, 0, 1) * np.exp(-((dx / long) ** 2)) * (1 - inside)
    return np.float32(lesion.echo) * inside + np.float32(lesion.shadow) * behind


def envelope(scatterers: Float[np.ndarray, "2 grid grid"], texture: Texture) -> Float[np.ndarray, "grid grid"]:
    """Returns the echo's magnitude: scatterers (real and imaginary part) convolved with the point-spread function."""
    grid = scatterers.shape[-1]
    echo = convolve1d(scatterers, _gaussian(texture.lateral * grid), axis=2, mode="wrap")
    real, imaginary = convolve1d(echo, _gaussian(texture.axial * grid), axis=1, mode="wrap")
    return np.hypot(real, imaginary)


def _gaussian(sigma: float) -> Float[np.ndarray, " taps"]:
    half = max(1, round(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    return weights / weights.sum()


def _compress(magnitude: Float[np.ndarray, "grid grid"]) -> Float[np.ndarray, "grid grid"]:
    """Returns grey values 0..255 from the decibels below the brightest speckle (the 99.5th percentile)."""
    reference = np.percentile(magnitude, 99.5)
    level = 20 * np.log10(np.maximum(magnitude, 1e-6 * reference) / reference) - HEADROOM
    return np.clip(255 * (1 + level / DYNAMIC_RANGE), 0, 255).astype(np.float32)
