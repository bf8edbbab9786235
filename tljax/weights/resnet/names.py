"""Describes the names of a ResNet's tensors as templates, and recognises the architecture from them."""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass

from tljax.models.resnet import ARCHITECTURES, VARIANTS, Architecture
from tljax.weights.formats import NotConvertible, Shapes
from tljax.weights.names import Layout, Names, conv_norm, kernel, norm, some

STAGES = 4
RELATIVES = {  # pattern of a tensor's name -> the network that has it
    r"(^|\.)attnpool\.": "CLIP's modified ResNet, with three convolutions in its stem and attention for pooling",
    r"\.bn\d\.IN\.": "an IBN-Net, whose blocks begin with instance normalisation",
    r"\.(se|se_module)\.": "a ResNet with squeeze-and-excitation or channel attention (SE-ResNet, ECA-ResNet)",
    r"\.filt$": "a ResNet with anti-aliased (blurred) strides",
}
MONAI = "MONAI's ResNet, whose shortcuts have biases and whose first stride may be 1, which tljax lacks"
UNTRACKED = "a ResNet without running statistics (GroupNorm, or BatchNorm with track_running_stats=False)"
LETTERS = string.ascii_lowercase + string.ascii_uppercase


@dataclass(frozen=True)
class Layers:
    """The names that a format gives the layers of a ResNet.

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

    def stem(self) -> tuple[str, ...]:
        """Returns the tensors of the first convolution and BatchNorm, the kernel first."""
        return tuple(map(str, conv_norm(self.layout, "", self.stem_conv, "", self.stem_norm).values()))

    def names(self, architecture: str, variant: str) -> Names:
        """Returns where a file keeps each of our tensors."""
        size, biases = ARCHITECTURES[architecture], VARIANTS[variant].conv_bias
        names = {}
        for ours, theirs in self._layers(size).items():
            if ours == "head":
                names |= kernel(self.layout, ours, theirs)
            elif "conv" in ours.rpartition(".")[2]:
                names |= kernel(self.layout, ours, theirs, bias=biases)
            else:
                names |= norm(self.layout, ours, theirs, statistics=True)
        return names

    def _layers(self, size: Architecture) -> dict[str, str]:
        """Returns our layer -> the format's, for the whole network."""
        found = {"conv1": self.stem_conv, "bn1": self.stem_norm}
        for stage, count in enumerate(size.blocks):
            for block in range(count):
                found |= self.block_layers(size, stage, block)
        return found | ({"head": self.head} if self.head else {})

    def block_layers(self, size: Architecture, stage: int, block: int) -> dict[str, str]:
        """Returns our layer -> the format's, for one block; both numbers count from 0."""
        place = {"stage": stage + self.first_stage, "block": block + self.first_block, "block_letter": LETTERS[block]}
        ours, layers = f"stages.{stage}.{block}", {}
        for conv in range(size.convolutions):
            place |= {"conv": conv + self.first_conv, "conv_letter": LETTERS[conv]}
            layers[f"{ours}.conv{conv + 1}"] = self.conv.format(**place)
            layers[f"{ours}.bn{conv + 1}"] = self.norm.format(**place)
        if size.has_projection(stage, block):
            layers[f"{ours}.shortcut_conv"] = self.shortcut_conv.format(**place)
            layers[f"{ours}.shortcut_bn"] = self.shortcut_norm.format(**place)
        return layers

    def identify(self, shapes: Shapes, variant: str) -> tuple[str, str]:
        """Returns the architecture with these shapes, and the variant.

        Raises NotConvertible for a ResNet that tljax lacks, and KeyError if the blocks are not those of a ResNet.
        """
        found = self._found(shapes)
        blocks = tuple(max((b for s, b, _ in found if s == stage), default=-1) + 1 for stage in range(STAGES))
        blocks = blocks[: max((stage + 1 for stage, count in enumerate(blocks) if count), default=0)]
        if not blocks:
            raise KeyError(self.conv)
        is_bottleneck = any(conv == 2 for _, _, conv in found)
        self._refuse_relatives(shapes)
        for name, size in ARCHITECTURES.items():
            if (size.blocks, size.bottleneck) == (blocks, is_bottleneck) and self._fits(size, shapes):
                return name, variant
        raise NotConvertible(
            f"a ResNet of {blocks} {'bottleneck' if is_bottleneck else 'basic'} blocks, which tljax lacks; it has "
            f"{', '.join(ARCHITECTURES)}"
        )

    def _refuse_relatives(self, shapes: Shapes) -> None:
        """Raises NotConvertible for networks with the same blocks that are not the ResNets of He et al."""
        if any(name.startswith((f"{self.stem_conv}.0.", f"{self.stem_conv}.1.")) for name in shapes):
            raise NotConvertible("a ResNet whose stem has several convolutions (ResNet-C, -D or -S), which tljax lacks")
        if self.layout == "torch" and (relative := self._relative(shapes)):
            raise NotConvertible(relative)
        stem, first = (
            str(norm(self.layout, "", layer, statistics=False)[".scale"]) for layer in (self.stem_norm, self._first)
        )
        if stem in shapes and shapes.get(first, shapes[stem]) > shapes[stem]:
            raise NotConvertible(
                f"a Wide ResNet or a ResNeXt, which tljax lacks: its first block is {shapes[first][0]} channels wide, "
                f"and its stem {shapes[stem][0]}"
            )

    def _relative(self, shapes: Shapes) -> str | None:
        """Returns the relative of a ResNet that has such tensors, and names them; None if it may be a ResNet itself."""
        shortcut = re.compile(_pattern(self.shortcut_conv).pattern + r"\.bias")
        if (biases := sorted(filter(shortcut.fullmatch, shapes))) and f"{self.stem_conv}.bias" not in shapes:
            return f"{MONAI}: tensors that have no place in the network: {some(biases)}"
        for pattern, relative in RELATIVES.items():
            if found := sorted(name for name in shapes if re.search(pattern, name)):
                return f"{relative}, which tljax lacks: tensors that have no place in the network: {some(found)}"
        if not any(name.endswith(("running_mean", "running_var")) for name in shapes):
            return f"{UNTRACKED}: it lacks '{self.stem_norm}.running_mean' and all others"
        return None

    @property
    def _first(self) -> str:
        """Returns the first normalisation of the first block."""
        return self.block_layers(Architecture((1,), 1), 0, 0)["stages.0.0.bn1"]

    def _fits(self, size: Architecture, shapes: Shapes) -> bool:
        """Returns whether the first BatchNorm has the architecture's width, or is missing in the file."""
        return all(shapes[name] == (size.width,) for name in self.stem()[1:] if name in shapes)

    def _found(self, shapes: Shapes) -> set[tuple[int, int, int]]:
        """Returns stage, block and convolution of every tensor of a block, counted from 0."""
        patterns = [_pattern(template) for template in (self.conv, self.norm)]
        found = set()
        for name in shapes:
            layer = re.sub(r"[./][^./]*$", "", name)
            for pattern in patterns:
                if match := pattern.fullmatch(layer):
                    found.add(self._place(match.groupdict()))
        return {place for place in found if 0 <= place[0] < STAGES}

    def _place(self, groups: Mapping[str, str]) -> tuple[int, int, int]:
        def number(name: str, first: int) -> int:
            if f"{name}_letter" in groups:
                return LETTERS.index(groups[f"{name}_letter"])
            return int(groups[name]) - first

        return (
            number("stage", self.first_stage),
            number("block", self.first_block),
            number("conv", self.first_conv),
        )


def _pattern(template: str) -> re.Pattern[str]:
    """Returns a pattern that matches the names of a template."""
    parts = re.split(r"\{(\w+)\}", template)
    named = [
        re.escape(part) if number % 2 == 0 else rf"(?P<{part}>{'[a-zA-Z]' if part.endswith('_letter') else r'[0-9]+'})"
        for number, part in enumerate(parts)
    ]
    return re.compile("".join(named))
