"""Where a foreign format keeps each tensor of a ResNet: templates as data, the same for reading and for writing."""

import string
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

Layout = Literal["torch", "keras"]

STAGES = 4
NAMED_AT_MOST = 5  # tensors named in a message
LETTERS = string.ascii_lowercase + string.ascii_uppercase

LEAVES = {  # our name of a tensor within its layer -> the layout's
    "torch": {
        "conv": {"kernel": ".weight", "bias": ".bias"},
        "bn": {"scale": ".weight", "bias": ".bias", "mean": ".running_mean", "var": ".running_var"},
        "head": {"kernel": ".weight", "bias": ".bias"},
    },
    "keras": {
        "conv": {"kernel": "/kernel", "bias": "/bias"},
        "bn": {"scale": "/gamma", "bias": "/beta", "mean": "/moving_mean", "var": "/moving_variance"},
        "head": {"kernel": "/kernel", "bias": "/bias"},
    },
}

TO_OURS = {"torch": {4: (2, 3, 1, 0), 2: (1, 0)}, "keras": {}}  # axes by rank; ours are (h w in out) and (in out)
TO_THEIRS = {"torch": {4: (3, 2, 0, 1), 2: (1, 0)}, "keras": {}}


def to_ours(layout: Layout, tensor: np.ndarray) -> np.ndarray:
    """A tensor of the layout in our order of axes, as float32 of its own memory."""
    return np.array(tensor.transpose(TO_OURS[layout].get(tensor.ndim, range(tensor.ndim))), np.float32, order="C")


def to_theirs(layout: Layout, tensor: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(tensor.transpose(TO_THEIRS[layout].get(tensor.ndim, range(tensor.ndim))))


def our_shape(layout: Layout, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in TO_OURS[layout].get(len(shape), range(len(shape))))


def their_shape(layout: Layout, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in TO_THEIRS[layout].get(len(shape), range(len(shape))))


def some(names: Collection[str]) -> str:
    """The first few names, for a message."""
    more = len(names) - NAMED_AT_MOST
    return ", ".join(f"'{name}'" for name in list(names)[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def kind_of(tensor: str) -> Literal["conv", "bn", "head"]:
    """Of the layer that one of our tensors belongs to: 'stages.0.0.shortcut_bn.mean' is of a 'bn'."""
    layer = tensor.split(".")[-2]
    return "head" if layer == "head" else "bn" if "bn" in layer else "conv"


def is_conv_bias(tensor: str) -> bool:
    return tensor.endswith(".bias") and kind_of(tensor) == "conv"


def norm_after(conv: str) -> str:
    """The BatchNorm layer behind one of our convolutions."""
    place, dot, layer = conv.rpartition(".")
    return place + dot + layer.replace("conv", "bn")


@dataclass(frozen=True)
class NameMap:
    """Layer names of a format.

    In the templates of blocks, `{stage}`, `{block}` and `{conv}` count from `first_stage`, `first_block` and
    `first_conv`; `{block_letter}` and `{conv_letter}` are a, b, c, ...
    """

    layout: Layout
    stem_conv: str
    stem_norm: str
    conv: str
    norm: str
    shortcut_conv: str
    shortcut_norm: str
    head: str | None
    first_stage: int = 1
    first_block: int = 0
    first_conv: int = 1

    def tensors(self, blocks: tuple[int, ...], prefix: str = "") -> dict[str, str]:
        """Our name -> the format's, for every tensor that a network of so many blocks a stage may have."""
        names = self.stem()
        for stage, count in enumerate(blocks):
            for block in range(count):
                names |= _block_tensors(self, stage, block)
        names |= self.of_layers({"head": self.head} if self.head else {})
        return {ours: prefix + theirs for ours, theirs in names.items()}

    def count_blocks(self, names: Collection[str], prefix: str = "") -> tuple[int, ...]:
        """Blocks a stage of which at least one tensor is among `names`."""
        own = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}

        def last(stage: int) -> int:
            blocks = range(len(LETTERS))
            return max((b for b in blocks if not own.isdisjoint(_block_tensors(self, stage, b).values())), default=-1)

        return tuple(1 + last(stage) for stage in range(STAGES))

    def stem(self) -> dict[str, str]:
        """Our name -> the format's, for the first convolution and BatchNorm: what a prefix is recognised by."""
        return self.of_layers({"conv1": self.stem_conv, "bn1": self.stem_norm})

    def block_layers(self, stage: int, block: int) -> dict[str, str]:
        """Our layer -> the format's, of one block; both numbers count from 0."""
        place = {"stage": stage + self.first_stage, "block": block + self.first_block, "block_letter": LETTERS[block]}
        ours, layers = f"stages.{stage}.{block}", {}
        for conv in range(3):
            place |= {"conv": conv + self.first_conv, "conv_letter": LETTERS[conv]}
            layers[f"{ours}.conv{conv + 1}"] = self.conv.format(**place)
            layers[f"{ours}.bn{conv + 1}"] = self.norm.format(**place)
        if block == 0:
            layers[f"{ours}.shortcut_conv"] = self.shortcut_conv.format(**place)
            layers[f"{ours}.shortcut_bn"] = self.shortcut_norm.format(**place)
        return layers

    def of_layers(self, layers: dict[str, str]) -> dict[str, str]:
        leaves = LEAVES[self.layout]
        return {
            f"{ours}.{leaf}": f"{theirs}{suffix}"
            for ours, theirs in layers.items()
            for leaf, suffix in leaves[kind_of(f"{ours}.")].items()
        }


@cache
def _block_tensors(names: NameMap, stage: int, block: int) -> dict[str, str]:
    return names.of_layers(names.block_layers(stage, block))
