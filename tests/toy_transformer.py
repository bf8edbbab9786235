"""A backbone of another kind than any in the package, and a format of its files: one file, as a user would write it.

No convolution, LayerNorm instead of BatchNorm, layers `encoder00` .. `encoder03`, no filters that see the pixels.
"""

from collections.abc import Collection
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from tljax.models.backbone import BackboneModule, Taps
from tljax.models.layers import Dense, LayerNorm, glorot_uniform
from tljax.weights.formats import Format, count
from tljax.weights.names import Joined, Names, Part, kernel, norm

EPSILON = 1e-6


@dataclass(frozen=True)
class Architecture:
    depth: int
    width: int
    patch: int


ARCHITECTURES = {"toy_transformer": Architecture(4, 12, 8)}
VARIANTS = {"toy": None}


class Block(nnx.Module):
    """Every token learns from the mean of all, by a gate and a value that one kernel gives."""

    def __init__(self, width, dtype, rng):
        self.norm = LayerNorm(width, EPSILON, dtype)
        self.gate_value = Dense(width, 2 * width, True, glorot_uniform, dtype, rng)

    def __call__(self, tokens: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
        gate, value = jnp.split(self.gate_value(self.norm(tokens)), 2, axis=-1)
        return tokens + jax.nn.sigmoid(gate) * (value + value.mean(axis=1, keepdims=True))


class Network(BackboneModule):
    def __init__(self, architecture, variant, num_classes, *, dropout=0.5, dtype=jnp.float32, rng):
        size = ARCHITECTURES[architecture]
        self.patch = size.patch
        self.named_layers = self.all_layers = tuple(f"encoder{number:02}" for number in range(size.depth))
        self.embed = Dense(3 * size.patch**2, size.width, True, glorot_uniform, dtype, rng)
        self.shift = nnx.Param(jnp.zeros((1, 1, size.width)))
        self.blocks = nnx.List([Block(size.width, dtype, rng) for _ in range(size.depth)])
        self.norm = LayerNorm(size.width, EPSILON, dtype)
        self.add_head(size.width, num_classes, dropout, rng)

    def features(
        self,
        x: Float[Array, "b h w 3"],
        layers: Collection[str] = (),
        mask: Bool[Array, " b"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Float[Array, "b c"], dict[str, Float[Array, "b _h _w _c"]]]:
        taps = Taps(layers)
        b, rows, columns, p = x.shape[0], x.shape[1] // self.patch, x.shape[2] // self.patch, self.patch
        patches = x.reshape(b, rows, p, columns, p, 3).transpose(0, 1, 3, 2, 4, 5).reshape(b, rows * columns, -1)
        tokens = self.embed(patches) + self.shift[...]
        for name, block in zip(self.named_layers, self.blocks, strict=True):
            grid = taps(name, block(tokens).reshape(b, rows, columns, -1))
            tokens = grid.reshape(b, rows * columns, -1)
        return self.norm(tokens).astype(jnp.float32).mean(axis=1), taps.found()


def identify(shapes):
    if (count(shapes, r"layers\.(\d+)\."), shapes["embed.weight"][0]) == (4, 12):
        return "toy_transformer", "toy"
    raise KeyError("embed.weight")


def names(architecture: str, variant: str) -> Names:
    size = ARCHITECTURES[architecture]
    found = kernel("torch", "embed", "embed") | norm("torch", "norm", "norm", statistics=False)
    found["shift"] = Part("shift", axes=(0,), shape=(size.width,))
    for block in range(size.depth):
        ours, theirs = f"blocks.{block}", f"layers.{block}"
        found |= norm("torch", f"{ours}.norm", f"{theirs}.ln", statistics=False)
        for leaf, their_leaf in (("kernel", "weight"), ("bias", "bias")):
            parts = tuple(f"{theirs}.{part}.{their_leaf}" for part in ("gate", "value"))
            found[f"{ours}.gate_value.{leaf}"] = Joined(parts)
    return found | kernel("torch", "head", "classifier")


FORMAT = Format(
    title="toy transformer",
    family="toy_transformer",
    layout="torch",
    stem=("embed.weight", "embed.bias"),
    identify=identify,
    names=names,
    normalisation="imagenet",
    rule="nothing to assume",
    exports=True,
)
