"""Small data sets in memory, for the tests of screening."""

import hashlib

import numpy as np
import toynets

from tljax.datasets import Card, Dataset


def dataset(count: int = 40, seed: int = 0, *, classes: int = 2, patients: tuple[str, ...] | None = None) -> Dataset:
    """Random smooth pictures of which the second class is brighter, the third brighter still."""
    images = toynets.pictures(count, seed)
    labels = np.random.default_rng(seed + 2).permutation(np.arange(count) % classes).astype(np.int32)
    images = np.clip(images * 0.7 + labels[:, None, None, None] * 20, 0, 255).astype(np.uint8)
    names = tuple(f"class{number}" for number in range(classes))
    card = Card("toy", "toy pictures", names, count, 16, 8, False, "none", "", "")
    fingerprint = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    files = tuple(f"{number}.png" for number in range(count))
    return Dataset(card, images, labels, files, patients, None, fingerprint)
