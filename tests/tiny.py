"""A network and images small enough to compile and train in seconds, for the tests of the engine."""

import dataclasses

import jax
import numpy as np

from tljax import models
from tljax.core import devices
from tljax.models import resnet
from tljax.models.normalisation import NORMALISATIONS
from tljax.train import engine

BACKBONE = "resnet_micro"
resnet.ARCHITECTURES[BACKBONE] = resnet.Architecture((1,), 8)

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 3, 20, dtype=np.int32)


def recipe(**changes) -> engine.Recipe:
    default = engine.Recipe(
        normalisation=NORMALISATIONS["imagenet"],
        augment=False,
        flip=True,
        learning_rate=1e-3,
        batch_size=8,
        scope="all",
        mesh=devices.data_mesh(),
    )
    return dataclasses.replace(default, **changes)


def network(dtype=np.float32, variant="torch_v1.5"):
    return models.build(BACKBONE, variant, 3, dropout=0.0, dtype=np.dtype(dtype))


def split(recipe: engine.Recipe, **kind):
    """((graphs), state) of the small network, its state on the devices."""
    graphs, state = engine.split(network(**kind), recipe)
    return graphs, jax.device_put(state, devices.replicated(recipe.mesh))


def leaves(tree) -> dict[str, np.ndarray]:
    """A state's arrays by path."""
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(tree)}
