"""Embedded data: simulated breast ultrasound. Smooth ellipses are benign, irregular spiculated lesions malignant.

A patient has one to three views of one lesion, each with different speckle. The constants determine how hard the task
is: the two classes overlap in every feature.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from tljax.datasets.dataset import Card, Example
from tljax.datasets.tasks._speckle import Lesion, Scene, Texture, render

IMAGES = 600
SEED = 2302_08272

MALIGNANT_SHARE = 0.4
VIEWS = (1, 1, 2, 3)  # images of a patient, drawn with equal chance
ECHO = (-18.0, -8.0)  # decibels against the tissue; less is harder, the same for both classes
WAVES = {"benign": (0.00, 0.10), "malignant": (0.05, 0.20)}  # relative amplitude of each irregularity of the contour
SPICULES = {"benign": (0, 1), "malignant": (3, 8)}  # how many, inclusive
SPICULE_HEIGHT = (0.20, 0.55)  # relative to the radius
SHADOW = {"benign": (-3.0, 4.0), "malignant": (-5.0, 2.0)}  # decibels behind the lesion
MARGIN = {"benign": (0.05, 0.14), "malignant": (0.07, 0.18)}  # width of the border relative to the radius

CARD = Card(
    name="phantom",
    title="Simulated ultrasound lesions",
    classes=("benign", "malignant"),
    images=IMAGES,
    image_size=64,
    batch_size=16,
    flip=True,
    grouped_by="patient",
    licence="Apache-2.0 (generated)",
    source="generated, nothing to fetch",
    needs_archive=False,
)


def examples(image_size: int) -> Iterator[Example]:
    rng = np.random.default_rng(SEED)
    patient, made = 0, 0
    while made < IMAGES:
        label = "malignant" if rng.random() < MALIGNANT_SHARE else "benign"
        shape = _lesion(label, rng)
        for view in range(min(rng.choice(VIEWS), IMAGES - made)):
            scene = _view(shape, rng)
            file = f"patient{patient:03d}_{view + 1}.png"
            yield Example(file, label, partial(render, scene, (SEED, made), image_size), f"patient{patient:03d}")
            made += 1
        patient += 1


def _lesion(label: str, rng: np.random.Generator) -> Lesion:
    """Draws the lesion that the views of a patient share."""
    long = rng.uniform(0.18, 0.30)
    low, high = SPICULES[label]
    return Lesion(
        centre=(0.5, 0.5),
        radii=(long, long * rng.uniform(0.55, 0.95)),
        angle=0.0,
        waves=tuple((order, rng.uniform(*WAVES[label]), rng.uniform(0, 2 * np.pi)) for order in (2, 3, 4, 5)),
        spicules=tuple(
            (rng.uniform(-np.pi, np.pi), rng.uniform(*SPICULE_HEIGHT), rng.uniform(0.08, 0.2))
            for _ in range(rng.integers(low, high + 1))
        ),
        echo=rng.uniform(*ECHO),
        shadow=rng.uniform(*SHADOW[label]),
        margin=rng.uniform(*MARGIN[label]),
    )


def _view(shape: Lesion, rng: np.random.Generator) -> Scene:
    """Returns the lesion seen from another side, in other tissue."""
    placed = replace(
        shape,
        centre=tuple(rng.uniform(0.36, 0.64, 2)),
        angle=rng.uniform(-np.pi, np.pi),
        echo=shape.echo + rng.uniform(-1, 1),
    )
    texture = Texture(
        axial=rng.uniform(0.006, 0.010),
        lateral=rng.uniform(0.010, 0.018),
        layers=rng.uniform(1, 3),
        band=rng.uniform(1.5, 4.5),
    )
    return Scene(texture, (placed,))
