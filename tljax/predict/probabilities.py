"""Predicts class probabilities of image files in batches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from tljax.core.progress import progress_bar
from tljax.datasets.imagefiles import Resize, read_batches
from tljax.weights import networks


def predict(
    network: networks.Network, paths: Sequence[Path], size: int, resize: Resize, batch_size: int
) -> tuple[list[Path], Float[np.ndarray, "n k"], list[str]]:
    """Returns the images that can be read, their class probabilities `n k`, and what is wrong with the others.

    size: side of the images in pixels. Only one batch of images is in memory at a time.
    """
    graph, state = nnx.split(network.model)

    @jax.jit
    def batch(state: Any, pixels: Array) -> Array:  # the tensors are an argument: as constants they would be copied
        model = nnx.merge(graph, state, copy=True)
        return jax.nn.softmax(model(network.normalisation(pixels.astype("float32")), layers=()).logits)

    batch_size = min(batch_size, len(paths))
    good, bad, probabilities = [], [], []
    with progress_bar("images", len(paths), True) as advance:
        for files, pixels, faults in read_batches(paths, size, resize, batch_size):
            if files:
                probabilities.append(np.asarray(batch(state, pixels))[: len(files)])
            good += files
            bad += faults
            advance(len(files) + len(faults))
    return good, np.concatenate(probabilities or [np.zeros((0, 1), np.float32)]), bad
