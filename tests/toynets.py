"""Networks of two layers that compile at once, for what does not depend on the architecture."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from tljax.models.backbone import BackboneModule
from tljax.models.normalisation import NORMALISATIONS
from tljax.weights import WeightsCard
from tljax.weights.networks import Network


class ToyNet(BackboneModule):
    """`conv1` takes every fourth pixel, `block1` averages 2 x 2 of those; both are rectified random maps."""

    named_layers = all_layers = ("conv1", "block1")

    def __init__(self, seed: int, widths: tuple[int, int] = (6, 5)):
        rng = np.random.default_rng(seed)
        self.first, self.second = (
            nnx.Param(jnp.asarray(np.eye(*shape) + 0.5 * rng.standard_normal(shape), jnp.float32))
            for shape in ((3, widths[0]), widths)
        )

    def features(self, x: Float[Array, "b h w 3"], layers=(), mask=None, rngs=None):
        first = jax.nn.relu(x[:, ::4, ::4] @ self.first[...])
        b, h, w, c = first.shape
        second = jax.nn.relu(first.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4)) @ self.second[...])
        found = {"conv1": first, "block1": second}
        return second.mean((1, 2)), {layer: found[layer] for layer in layers}


def network(seed: int, **options) -> Network:
    card = WeightsCard("toy", "none", "toy", "toy", NORMALISATIONS["imagenet"], None, "", "", "", "")
    return Network(f"toy:{seed}", ToyNet(seed, **options), card)


def activations(net: Network, layer: str, images: np.ndarray) -> np.ndarray:
    """The activations `n h w c` of a layer, computed at once."""
    return np.asarray(net.model.features(net.normalisation(jnp.asarray(images, jnp.float32)), (layer,))[1][layer])


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """Smooth random images, uint8 `count 16 16 3`."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3))
    noise = np.random.default_rng(seed + 1).integers(-40, 40, (count, 16, 16, 3))
    return np.clip(coarse.repeat(4, 1).repeat(4, 2) + noise, 0, 255).astype(np.uint8)
