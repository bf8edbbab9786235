"""Simulates the labels and predicted probabilities of networks."""

import numpy as np


def two_columns(scores) -> np.ndarray:
    """Returns the probabilities `n 2` of two classes from those of the second."""
    scores = np.asarray(scores, dtype=float)
    return np.stack([1 - scores, scores], axis=1)


def predictions(images: int, classes: int = 2, signal: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns random labels `n` and probabilities `n k`; the higher the signal, the more of them are right."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=images)
    scores = rng.normal(size=(images, classes)) + signal * np.eye(classes)[labels]
    return labels, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
