"""Describes where weights files keep the tensors of a DenseNet: the names of the layers as data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tljax.models.densenet import ARCHITECTURES, VARIANTS
from tljax.weights.card import WeightsCard
from tljax.weights.formats import NotConvertible, Shapes
from tljax.weights.names import Layout, Names, conv_norm, kernel, norm, our_shape


@dataclass(frozen=True)
class Layers:
    """The names that a format gives the layers of a DenseNet.

    `layer` comes before the names of a dense layer's parts; `{block}` and `{layer}` in it count from `first_block` and
    from 1. `transition` comes before the names of the layers between two blocks.
    """

    layout: Layout
    stem_conv: str
    stem_norm: str
    layer: str
    narrow: tuple[str, str]  # BatchNorm and convolution of 1 x 1
    grow: tuple[str, str]  # BatchNorm and convolution of 3 x 3
    transition: str
    between: tuple[str, str]  # BatchNorm and convolution of a transition
    last_norm: str
    head: str | None
    first_block: int = 1

    def stem(self) -> tuple[str, ...]:
        """Returns the tensors of the first convolution and BatchNorm, the kernel first."""
        return tuple(map(str, conv_norm(self.layout, "", self.stem_conv, "", self.stem_norm).values()))

    def names(self, architecture: str, variant: str) -> Names:
        """Returns where a file keeps each of our tensors."""
        found = conv_norm(self.layout, "conv1", self.stem_conv, "bn1", self.stem_norm)
        for block, count in enumerate(ARCHITECTURES[architecture].blocks):
            number = block + self.first_block
            for layer in range(count):
                ours, theirs = f"blocks.{block}.{layer}", self.layer.format(block=number, layer=layer + 1)
                for part, (normalisation, convolution) in (("narrow", self.narrow), ("grow", self.grow)):
                    conv, bn = f"{ours}.{part}.conv", f"{ours}.{part}.norm"
                    found |= conv_norm(self.layout, conv, theirs + convolution, bn, theirs + normalisation)
            if block > 0:
                ours, theirs = f"transitions.{block - 1}", self.transition.format(block=number - 1)
                normalisation, convolution = self.between
                conv, bn = f"{ours}.conv", f"{ours}.norm"
                found |= conv_norm(self.layout, conv, theirs + convolution, bn, theirs + normalisation)
        found |= norm(self.layout, "bn2", self.last_norm, statistics=True)
        return found | (kernel(self.layout, "head", self.head) if self.head else {})

    def architecture(self, shapes: Shapes) -> str:
        """Returns the architecture in a file.

        Raises NotConvertible for a DenseNet that tljax lacks, and KeyError if there is no dense layer.
        """
        first = self.transition.format(block=self.first_block) + self.between[1]
        if not any(name.startswith(first) for name in shapes):
            raise KeyError(first)
        pattern = re.escape(self.layer).replace(r"\{block\}", r"(\d+)").replace(r"\{layer\}", r"(\d+)")
        numbers = [tuple(map(int, found.groups())) for found in (re.match(pattern, name) for name in shapes) if found]
        last = max((block for block, _ in numbers), default=0)
        counts = tuple(
            max((layer for of, layer in numbers if of == block), default=0)
            for block in range(self.first_block, last + 1)
        )
        grown = self.layer.format(block=self.first_block, layer=1) + self.grow[1]
        growth = our_shape(self.layout, shapes[str(kernel(self.layout, "", grown)[".kernel"])])[-1]
        for name, size in ARCHITECTURES.items():
            if (size.blocks, size.growth) == (counts, growth):
                return name
        raise NotConvertible(
            f"a DenseNet of {counts} dense layers and growth {growth}, which tljax lacks; it has "
            f"{', '.join(ARCHITECTURES)}"
        )

    def channels(self, shapes: Shapes) -> int:
        """Returns the number of channels of the network's images. Raises KeyError if the first layer is missing."""
        return our_shape(self.layout, shapes[self.stem()[0]])[-2]


def torch_layers(prefix: str, head: str | None) -> Layers:
    """Returns torchvision's names, each with a prefix."""
    return Layers(
        layout="torch",
        stem_conv=f"{prefix}conv0",
        stem_norm=f"{prefix}norm0",
        layer=prefix + "denseblock{block}.denselayer{layer}.",
        narrow=("norm1", "conv1"),
        grow=("norm2", "conv2"),
        transition=prefix + "transition{block}.",
        between=("norm", "conv"),
        last_norm=f"{prefix}norm5",
        head=head,
    )


TORCHVISION = torch_layers("features.", "classifier")
KERAS = Layers(
    layout="keras",
    stem_conv="conv1_conv",
    stem_norm="conv1_bn",
    layer="conv{block}_block{layer}_",
    narrow=("0_bn", "1_conv"),
    grow=("1_bn", "2_conv"),
    transition="pool{block}_",
    between=("bn", "conv"),
    last_norm="bn",
    head="predictions",
    first_block=2,
)


def identify_torch(shapes: Shapes, layers: Layers, *, channels: int) -> str:
    """Returns the architecture of a file with torchvision's names.

    Raises KeyError if its images do not have this number of channels.
    """
    prefix = layers.stem_conv.removesuffix("conv0")
    if (layers.channels(shapes) == 1) != (channels == 1):
        raise KeyError(layers.stem()[0])
    if f"{prefix}conv1.weight" in shapes:
        raise NotConvertible("a DenseNet whose stem has several convolutions, which tljax lacks")
    return layers.architecture(shapes)


def export_note(card: WeightsCard, tensors: Mapping[str, np.ndarray]) -> str:
    """Returns what a user of an exported file must know about its last ReLU, channels and epsilon."""
    kind, facts = VARIANTS[card.variant], []
    if not kind.final_relu:
        facts.append("no ReLU follows its last BatchNorm (norm5)")
    if kind.channels != 3:
        facts.append(f"its images have {kind.channels} channel")
    if kind.epsilon != VARIANTS["torch"].epsilon:
        facts.append(f"BatchNorm's epsilon is {kind.epsilon:g}")
    if not facts:
        return f"the names and layers are those of torchvision's {card.backbone}, which loads the file unchanged"
    return (
        f"the names are those of torchvision's {card.backbone}, but {', '.join(facts)}; torchvision's network gives "
        "wrong results unless it is changed accordingly"
    )
