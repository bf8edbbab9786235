"""Describes where weights files keep the tensors of a ConvNeXt: the names of the layers as data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tljax.models.convnext import ARCHITECTURES, VARIANTS
from tljax.weights.card import WeightsCard
from tljax.weights.formats import NotConvertible, Shapes, count
from tljax.weights.names import Layout, Names, Part, kernel, norm

IMAGENET = "input as for ImageNet (RGB / 255, mean and std)"
STAGES = 4


def rule(names: str, *more: str, last_epsilon: str = "1e-6") -> str:
    """Returns what a format assumes because the tensors do not show it. names: by which the format is recognised."""
    last = f" ({last_epsilon} in the last one)" if last_epsilon != "1e-6" else ""
    assumed = f"LayerNorm's epsilon 1e-6{last}, an exact GELU, features are the mean over positions and then LayerNorm"
    return "; ".join((f"{names}: {assumed}, {IMAGENET}", *more))


@dataclass(frozen=True)
class Layers:
    """The names that a format gives the layers of a ConvNeXt.

    `block` comes before the names of a block's layers. In names, `{stage}` is the number of a stage, `{before}` that of
    the stage before it, and `{block}` that of a block within the stage; all count from 0. torchvision numbers the
    stages and the layers between them together: `{odd}` and `{even}`.
    """

    stem: str
    stem_norm: str
    down_norm: str
    down_conv: str
    block: str
    depthwise: str
    norm: str
    up: str
    down: str
    scale: str  # the name of a tensor, not of a layer
    last_norm: str
    head: str | None = None
    layout: Layout = "torch"
    scale_rank: int = 1  # number of axes of that tensor; those after the first have length 1

    def place(self, name: str, stage: int, block: int = 0) -> str:
        """Returns a name with the numbers filled in."""
        return name.format(stage=stage, block=block, before=stage - 1, odd=2 * stage + 1, even=2 * stage)

    def identify(self, shapes: Shapes, variant: str) -> tuple[str, str]:
        """Returns the architecture with these shapes, and the variant.

        Raises NotConvertible if tljax lacks the architecture, and KeyError if the file lacks a tensor.
        """
        places = [self.place(self.block, stage, 12345) for stage in range(STAGES)]
        blocks = tuple(count(shapes, re.escape(place).replace("12345", r"(\d+)")) for place in places)
        leaf = kernel(self.layout, "", self.depthwise)[".kernel"]
        depthwise = [shapes[self.place(self.block, stage) + str(leaf)] for stage in range(STAGES)]
        if any(len(shape) != 4 for shape in depthwise):
            raise KeyError(leaf)
        widths = tuple(shape[0 if self.layout == "torch" else 3] for shape in depthwise)
        known = ", ".join(ARCHITECTURES)
        if any("grn" in name for name in shapes):
            raise NotConvertible(f"a ConvNeXt V2, which tljax lacks; it has {known}")
        for name, size in ARCHITECTURES.items():
            if (size.blocks, size.widths) == (blocks, widths):
                return name, variant
        raise NotConvertible(f"a ConvNeXt of {blocks} blocks and widths {widths}, which tljax lacks; it has {known}")

    def names(self, architecture: str, variant: str) -> Names:
        """Returns where a file keeps each of our tensors, which are the same in every variant."""
        size, layout = ARCHITECTURES[architecture], self.layout
        found = kernel(layout, "stem", self.stem) | norm(layout, "stem_norm", self.stem_norm, statistics=False)
        for stage, blocks in enumerate(size.blocks):
            if stage > 0:
                down_norm, down_conv = (self.place(name, stage) for name in (self.down_norm, self.down_conv))
                found |= norm(layout, f"down_norms.{stage - 1}", down_norm, statistics=False)
                found |= kernel(layout, f"down_convs.{stage - 1}", down_conv)
            for block in range(blocks):
                ours, theirs = f"stages.{stage}.{block}.", self.place(self.block, stage, block)
                for layer, name in (("depthwise", self.depthwise), ("up", self.up), ("down", self.down)):
                    found |= kernel(layout, ours + layer, theirs + name)
                found |= norm(layout, f"{ours}norm", theirs + self.norm, statistics=False)
                shape = (size.widths[stage], *(1,) * (self.scale_rank - 1))
                found[f"{ours}scale"] = Part(theirs + self.scale, axes=tuple(range(len(shape))), shape=shape)
        found |= norm(layout, "norm", self.last_norm, statistics=False)
        return found | (kernel(layout, "head", self.head) if self.head else {})


def export_note(card: WeightsCard, tensors: Mapping[str, Any]) -> str:
    """Returns what a user of an exported file must know about its last LayerNorm."""
    kind, known = VARIANTS[card.variant], VARIANTS["torch"]
    facts = ["pooling comes after its last LayerNorm, not before it"] if kind.norm_first else []
    if kind.last_epsilon != known.last_epsilon:
        facts.append(f"the epsilon of its last LayerNorm is {kind.last_epsilon:g}, not {known.last_epsilon:g}")
    if not facts:
        return f"the names and layers are those of torchvision's {card.backbone}, which loads the file unchanged"
    return (
        f"the names are those of torchvision's {card.backbone}, but {', and '.join(facts)}; torchvision's network "
        "gives wrong results unless it is changed accordingly"
    )
