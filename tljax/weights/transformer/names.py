"""Describes where weights files keep the tensors of a vision transformer: the names of the layers as data."""

import math
import re
from dataclasses import dataclass, replace
from types import ModuleType

from tljax.models import vit
from tljax.models.transformer import Architecture, Variant
from tljax.weights.formats import NotConvertible, Shapes, count
from tljax.weights.names import Joined, Names, Part, Where, kernel, norm

CLASS_TOKEN = "features are the class token's"
MEAN = "features are the mean over the patches"
IMAGENET = "input as for ImageNet (RGB / 255, mean and std)"
OPENAI = "input as for OpenAI's CLIP (RGB / 255, its mean and std)"


def rule(names: str, features: str, epsilon: str, taken: str, *more: str, gelu: str = "an exact GELU") -> str:
    """Returns what a format assumes because the tensors do not show it.

    names: by which the format is recognised. taken: the input.
    """
    assumed = (features, f"LayerNorm's epsilon {epsilon}", gelu, "heads of 64 channels", taken)
    return "; ".join((f"{names}: {', '.join(assumed)}", *more))


GATED = r"mlp\.(w1|w2|w3|w12|weights_in|gate_proj|fc1_g)\."  # of perceptrons with a gate


@dataclass(frozen=True)
class Layers:
    """The names that a format gives the layers and tensors of a transformer.

    `block` comes before the names of a block's layers; `{}` in it stands for the block's number. qkv: the layer that
    holds queries, keys and values, or three layers. joint: the file keeps them in a tensor that belongs to no layer
    ('in_proj_weight'). vectors: the class token and the positions have no first axis of length 1. family: the module of
    `tljax/models/` that declares the network.
    """

    patch: str
    class_token: str
    positions: str | None
    norm: str
    block: str
    norm1: str
    qkv: str | tuple[str, ...]
    out: str
    norm2: str
    up: str
    down: str
    scale1: str | None = None
    scale2: str | None = None
    query_bias: str | None = None  # if the bias is not one of the layer
    value_bias: str | None = None
    registers: str | None = None
    norm_tokens: str | None = None
    head: str | None = None
    joint: bool = False
    vectors: bool = False
    family: ModuleType = vit

    def below(self, prefix: str) -> "Layers":
        """Returns the names of the same network as a part of a larger model, which gives it `prefix` and no head."""
        moved = {name: prefix + getattr(self, name) for name in ("patch", "class_token", "positions", "norm", "block")}
        return replace(self, **moved, head=None)

    def identify(self, shapes: Shapes, variant: str) -> tuple[str, str]:
        """Returns the architecture with these shapes, and the variant.

        Raises NotConvertible if the family lacks the architecture, and KeyError if the file lacks a tensor.
        """
        placed, known = self.family.VARIANTS[variant].placed, self.family.ARCHITECTURES
        self._refuse_relatives(shapes, placed)
        width, _, patch, _ = _of_rank(shapes, f"{self.patch}.weight", 4)
        depth = count(shapes, re.escape(self.block).replace(re.escape("{}"), r"(\d+)"))
        tokens = 0 if placed is None else _of_rank(shapes, self.positions, 2 if self.vectors else 3)[-2]
        image = patch * math.isqrt(max(tokens - (placed or 0), 0))
        for name, size in known.items():
            if (size.width, size.depth, size.patch, size.image) == (width, depth, patch, image):
                return name, variant
        for size, (size_width, size_depth, _) in vit.SIZES.items():  # for other images or of other patches
            name = f"vit_{size}_patch{patch}_{image}"
            if (size_width, size_depth) == (width, depth) and self.family is vit and name in known:
                return name, variant
        of_images = f", for images of {image} pixels" if image else ""
        raise NotConvertible(
            f"a vision transformer of {depth} blocks, width {width} and patches of {patch} pixels{of_images}, which "
            f"tljax lacks; it has {', '.join(known)}"
        )

    def without_qkv_bias(self, shapes: Shapes) -> bool:
        """Returns whether no block has a bias of queries, keys and values."""
        parts = (self.qkv,) if isinstance(self.qkv, str) else self.qkv
        return not any(name.endswith(tuple(f"{part}.bias" for part in parts)) for name in shapes)

    def _refuse_relatives(self, shapes: Shapes, placed: int | None) -> None:
        """Raises NotConvertible for transformers whose tokens or perceptrons are others than ours."""
        block = self.block.split("{}")[0]
        if other := next((n for n in shapes if n.startswith(block) and re.search(GATED, n)), None):
            raise NotConvertible(f"a vision transformer with gated perceptrons (SwiGLU), which tljax lacks: '{other}'")
        if other := next((n for n in shapes if n.endswith(("dist_token", "distillation_token"))), None):
            raise NotConvertible(f"a distilled vision transformer (DeiT), which tljax lacks: '{other}'")
        if placed is None:
            return
        tokens = _of_rank(shapes, self.positions, 2 if self.vectors else 3)[-2]
        sides = [math.isqrt(max(tokens - count, 0)) for count in (0, placed)]
        if sides[1] ** 2 == tokens - placed:
            return
        grid = f"{tokens} position embeddings"
        if sides[0] ** 2 != tokens:
            raise NotConvertible(f"a vision transformer of {grid}, which are no square grid and {placed} more")
        kind = "whose class token has no position (DeiT III)" if self.class_token in shapes else "without class token"
        raise NotConvertible(f"a vision transformer {kind}, which tljax lacks: it has {grid}, {sides[0]} squared")

    def names(self, architecture: str, variant: str) -> Names:
        """Returns where a file keeps each of our tensors."""
        size: Architecture = self.family.ARCHITECTURES[architecture]
        kind: Variant = self.family.VARIANTS[variant]
        rows = () if self.vectors else (1,)
        found = kernel("torch", "patch", self.patch, bias=kind.patch_bias)
        found["class_token"] = _plain(self.class_token, (*rows, *rows, size.width))
        if kind.registers:
            found["registers"] = _plain(self.registers, (*rows, kind.registers, size.width))
        if kind.placed is not None:
            found["positions"] = _plain(self.positions, (*rows, kind.placed + size.grid**2, size.width))
        if kind.norm_tokens and self.norm_tokens:
            found |= norm("torch", "norm_tokens", self.norm_tokens, statistics=False)
        for block in range(size.depth):
            found |= self._block_names(kind, f"blocks.{block}.", self.block.format(block))
        found |= norm("torch", "norm", self.norm, statistics=False)
        return found | (kernel("torch", "head", self.head) if self.head else {})

    def _block_names(self, variant: Variant, ours: str, theirs: str) -> Names:
        found: dict[str, Where] = {}
        for name in ("norm1", "norm2"):
            found |= norm("torch", ours + name, theirs + getattr(self, name), statistics=False)
        for name, layer in (("attention.out", self.out), ("mlp.up", self.up), ("mlp.down", self.down)):
            found |= kernel("torch", ours + name, theirs + layer)
        parts = (self.qkv,) if isinstance(self.qkv, str) else self.qkv
        weight, bias = ("_weight", "_bias") if self.joint else (".weight", ".bias")
        found[f"{ours}attention.qkv.kernel"] = Joined(tuple(theirs + part + weight for part in parts))
        if variant.qkv_biases == "all":
            found[f"{ours}attention.qkv.bias"] = Joined(tuple(theirs + part + bias for part in parts))
        elif variant.qkv_biases == "query_value":
            found[f"{ours}attention.query_bias"] = f"{theirs}{self.query_bias}"
            found[f"{ours}attention.value_bias"] = f"{theirs}{self.value_bias}"
        if variant.layer_scale is not None:
            found |= {f"{ours}scale1": f"{theirs}{self.scale1}", f"{ours}scale2": f"{theirs}{self.scale2}"}
        return found


def _of_rank(shapes: Shapes, name: str | None, rank: int) -> tuple[int, ...]:
    """Returns the shape of a tensor. Raises KeyError if it has another number of axes, as in another network."""
    if name is None or len(shapes[name]) != rank:
        raise KeyError(name)
    return shapes[name]


def _plain(name: str | None, shape: tuple[int, ...]) -> Part:
    """Returns the description of a tensor that is not a kernel, so that its axes keep their order."""
    return Part(name, axes=tuple(range(len(shape))), shape=shape)


TIMM = Layers(
    patch="patch_embed.proj",
    class_token="cls_token",
    positions="pos_embed",
    registers="reg_token",
    norm_tokens="norm_pre",
    norm="norm",
    block="blocks.{}.",
    norm1="norm1",
    qkv="attn.qkv",
    out="attn.proj",
    norm2="norm2",
    up="mlp.fc1",
    down="mlp.fc2",
    scale1="ls1.gamma",
    scale2="ls2.gamma",
    head="head",
)
TRANSFORMERS = Layers(
    patch="embeddings.patch_embeddings.projection",
    class_token="embeddings.cls_token",
    positions="embeddings.position_embeddings",
    registers="embeddings.register_tokens",
    norm="layernorm",
    block="encoder.layer.{}.",
    norm1="norm1",
    qkv=tuple(f"attention.attention.{part}" for part in ("query", "key", "value")),
    out="attention.output.dense",
    norm2="norm2",
    up="mlp.fc1",
    down="mlp.fc2",
    scale1="layer_scale1.lambda1",
    scale2="layer_scale2.lambda1",
)
