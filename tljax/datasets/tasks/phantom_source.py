"""Embedded data for pre-training: a harder task of twelve classes, simulated as in `phantom`.

A class is one of six contours with one of two echo textures. Each contour comes in every size, place and contrast, so
that a network has to learn edges, rays and grain: the features that distinguish benign and malignant in `phantom`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from tljax.datasets.dataset import Card, Example
from tljax.datasets.tasks._speckle import Lesion, Scene, Texture, render

IMAGES = 3600
SEED = 2023_11

ECHO = (-18.0, -8.0)  # decibels against the tissue

GRAINS = {
    "fine": Texture(axial=0.006, lateral=0.011),
    "coarse": Texture(axial=0.009, lateral=0.019),
}


def _waves(rng: np.random.Generator, orders: tuple[int, ...], low: float, high: float) -> tuple:
    return tuple((order, rng.uniform(low, high), rng.uniform(0, 2 * np.pi)) for order in orders)


def _spicules(rng: np.random.Generator, low: int, high: int) -> tuple:
    count = rng.integers(low, high + 1)
    return tuple((rng.uniform(-np.pi, np.pi), rng.uniform(0.2, 0.6), rng.uniform(0.08, 0.2)) for _ in range(count))


CONTOURS: dict[str, Callable[[np.random.Generator], dict]] = {
    "ellipse": lambda rng: {},
    "lobed": lambda rng: {"waves": _waves(rng, (3, 4), 0.10, 0.18)},
    "jagged": lambda rng: {"waves": _waves(rng, (7, 8, 9), 0.06, 0.10)},
    "spiculated": lambda rng: {"spicules": _spicules(rng, 4, 9)},
    "blurred": lambda rng: {"margin": rng.uniform(0.25, 0.4)},
    "shadowing": lambda rng: {"shadow": rng.uniform(-9.0, -5.0)},
}

CARD = Card(
    name="phantom-source",
    title="Simulated ultrasound contours and grains, to pre-train on",
    classes=tuple(f"{contour}-{grain}" for contour in CONTOURS for grain in GRAINS),
    images=IMAGES,
    image_size=64,
    batch_size=128,
    flip=True,
    grouped_by="none",
    licence="Apache-2.0 (generated)",
    source="generated, nothing to fetch",
    needs_archive=False,
)


def examples(image_size: int) -> Iterator[Example]:
    rng = np.random.default_rng(SEED)
    for index in range(IMAGES):
        label = CARD.classes[index % len(CARD.classes)]
        contour, grain = label.split("-")
        long = rng.uniform(0.18, 0.30)
        lesion = Lesion(
            centre=tuple(rng.uniform(0.35, 0.65, 2)),
            radii=(long, long * rng.uniform(0.55, 0.95)),
            angle=rng.uniform(-np.pi, np.pi),
            echo=rng.uniform(*ECHO),
        )
        texture = replace(GRAINS[grain], layers=rng.uniform(1, 3), band=rng.uniform(1.5, 4.5))
        scene = Scene(texture, (replace(lesion, **CONTOURS[contour](rng)),))
        yield Example(f"{label}_{index:04d}.png", label, partial(render, scene, (SEED, index), image_size))
