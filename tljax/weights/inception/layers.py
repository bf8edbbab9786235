"""Lists the layers of an Inception network in the order in which Keras creates them, and fits them to a variant."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tljax.core.errors import UserError
from tljax.models.inception import STEM, Branched, Part, Unit, Variant
from tljax.weights.card import WeightsCard
from tljax.weights.formats import Description, NotConvertible, Shapes
from tljax.weights.keras.epsilon import fit_epsilon
from tljax.weights.names import Layout, Names, conv_norm


@dataclass(frozen=True)
class Place:
    """The place of one convolution with BatchNorm in the network."""

    ours: str  # 'stages.0.1.branches.2.steps.0.0'
    block: tuple[int, int] | None  # stage and block, counted from 0; None: in the stem
    branch: int | None  # None: after average pooling, in the stem, or without branches
    step: int = 0
    side: int | None = None  # number among parallel convolutions; None: there are none
    alone: bool = True  # whether it is the only convolution of its branch


def places(stages: Sequence[Sequence[Part]]) -> Iterator[Place]:
    """Yields the convolutions of a network, except those at the end of residual blocks."""
    for number in range(len(STEM)):
        yield Place(f"stem.{number}", None, None)
    for stage, blocks in enumerate(stages):
        for number, part in enumerate(blocks):
            ours, block = f"stages.{stage}.{number}", (stage, number)
            if not isinstance(part, Branched):
                yield Place(ours, block, None)
                continue
            for branch, steps in enumerate(part.branches):
                for step, units in enumerate(steps):
                    sides = [None] if isinstance(units, Unit) else range(len(units))
                    for side in sides:
                        place = f"{ours}.branches.{branch}.steps.{step}.{side or 0}"
                        yield Place(place, block, branch, step, side, len(steps) == 1)
            if getattr(part, "pooled", None):
                yield Place(f"{ours}.pooled", block, None)


def unit(layout: Layout, ours: str, conv: str, batch_norm: str, variant: Variant) -> Names:
    """Returns the names of a convolution and its BatchNorm."""
    found = conv_norm(layout, f"{ours}.conv", conv, f"{ours}.norm", batch_norm)
    if not variant.norm_scale:
        del found[f"{ours}.norm.scale"]
    return found


def torch_variant(shapes: Shapes) -> str:
    """Returns the variant in a PyTorch file: `keras` if no BatchNorm has a scale, as in files that tljax exports."""
    return "torch" if any(name.endswith(".bn.weight") for name in shapes) else "keras"


def architecture(
    shapes: Shapes, sizes: Mapping[str, Any], first: str, axis: int, names: Callable[[str], Names], title: str
) -> str:
    """Returns the architecture in a file.

    first: the name of the first kernel. axis: that of its outputs. Raises KeyError if the kernel is missing, and
    NotConvertible if no architecture has this width.
    """
    width = shapes[first][axis]
    known = [name for name, size in sizes.items() if STEM[0].outputs // size.divisor == width]
    if not known:
        raise NotConvertible(f"{title} whose first convolution has {width} channels; ours has {STEM[0].outputs}")

    def surplus(name: str) -> int:
        wanted = names(name).values()
        return sum(1 if theirs in shapes else -1 for theirs in wanted)

    return max(known, key=surplus)


def fit(
    variants: Mapping[str, Variant], tensors: dict[str, np.ndarray], variant: str, description: Description
) -> list[str]:
    """Adds or removes the scales of BatchNorm, and fits its epsilon, in place; returns in words what it did.

    Raises UserError if the wanted variant has no scales and those of the file are not all 1.
    """
    fitted = fit_epsilon(tensors, variants[variant].epsilon, description.epsilon)
    scales = [name for name in tensors if name.endswith(".norm.scale")]
    if variants[variant].norm_scale and not scales:
        for name in [name for name in tensors if name.endswith(".norm.bias")]:
            tensors[name.replace(".bias", ".scale")] = np.ones_like(tensors[name])
        return [*fitted, "scales of BatchNorm, which the file lacks, set to 1"]
    if scales and not variants[variant].norm_scale:
        other = next((name for name in scales if (tensors[name] != 1).any()), None)
        if other:
            raise UserError(
                f"--variant {variant}: this variant has no scale in BatchNorm, but the scales of the file are not all "
                f"1 ({other}, for instance)"
            )
        for name in scales:
            del tensors[name]
        return [*fitted, "scales of BatchNorm, all 1, left out"]
    return fitted


def export_note(variants: Mapping[str, Variant], card: WeightsCard, tensors: Mapping[str, np.ndarray]) -> str:
    """Returns what a user of an exported file must know about its BatchNorm and its pooling."""
    variant = variants[card.variant]
    if variant.norm_scale:
        return f"the names and layers are those of {card.backbone} in PyTorch, which loads the file unchanged"
    return (
        f"a {card.variant} network: BatchNorm has no scale (set each missing bn.weight to 1), and average pooling "
        "counts only the positions within the image (count_include_pad=False)"
    )
