"""What the tests of several families read from golden files, and compute to compare with them."""

import re
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from weight_files import random_tensors

from tljax import models

FOLDER = Path(__file__).resolve().parent / "golden"


def sources(golden: Mapping[str, np.ndarray]) -> list[str]:
    """The networks of a golden file, each with the names of its tensors."""
    return sorted({key.rpartition("|")[0] for key in golden if key.endswith("|names")})


def golden_file(golden: Mapping[str, np.ndarray], source: str, *, positive: bool = False) -> dict[str, np.ndarray]:
    """Random tensors with the names and shapes of a file that the source's library saved.

    positive: whether all values are positive, as the variances of BatchNorm must be.
    """
    rng, found = np.random.default_rng(0), {}
    for line in golden[f"{source}|names"]:
        name, _, shape = line.partition(" ")
        sizes = [int(size) for size in re.findall(r"\d+", shape)]
        values = rng.uniform(0.5, 1.5, sizes) if positive else rng.standard_normal(sizes)
        found[name] = values.astype(np.float32)
    return found


def images(side: int) -> np.ndarray:
    """Two random images, as the golden files were computed from."""
    return np.random.default_rng(side).standard_normal((2, side, side, 3), np.float32)


def network(backbone: str, variant: str, dtype=jnp.float32) -> models.BackboneModule:
    """A network of the tests' random tensors, in inference mode."""
    model = models.build(backbone, variant, 3, seed=None, dropout=0.0, dtype=dtype)
    models.load_flat(model, random_tensors(backbone, variant))
    model.eval()
    return model
