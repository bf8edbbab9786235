"""Our layers of an Inception network in the order in which Keras creates them, and what files tell of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tljax.core.errors import UserError
from tljax.models.inception import STEM, Branched, Part, Unit, Variant
from tljax.weights.card import WeightsCard
from tljax.weights.formats import Description, NotConvertible, Shapes
from tljax.weights.keras.epsilon import fit_epsilon
from tljax.weights.names import Layout, Names, kernel, norm


@dataclass(frozen=True)
class Place:
    """One convolution with BatchNorm."""

    ours: str  # 'stages.0.1.branches.2.steps.0.0'
    block: tuple[int, int] | None  # stage and block, counted from 0; None: of the stem
    branch: int | None  # None: behind average pooling, of the stem, or alone
    step: int = 0
    side: int | None = None  # of those side by side
    alone: bool = True  # whether it is all of its branch


def places(stages: Sequence[Sequence[Part]]) -> Iterator[Place]:
    """Yields the convolutions of a network, without those at the end of residual blocks."""
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
    found = kernel(layout, f"{ours}.conv", conv, bias=False)
    found |= norm(layout, f"{ours}.norm", batch_norm, statistics=True)
    if not variant.norm_scale:
        del found[f"{ours}.norm.scale"]
    return found


def torch_variant(shapes: Shapes) -> str:
    """Returns the variant in a PyTorch file: Keras' where no BatchNorm has factors, as we export it."""
    return "torch" if any(name.endswith(".bn.weight") for name in shapes) else "keras"


def architecture(
    shapes: Shapes, sizes: Mapping[str, Any], first: str, axis: int, names: Callable[[str], Names], title: str
) -> str:
    """Returns the architecture in a file.

    first: the first kernel in the file, `axis` of which counts its outputs. Raises KeyError where it is not there, and
    NotConvertible where no architecture is as wide.
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
    """Adds or removes the factors of BatchNorm, and fits its epsilon, in place; returns what it did, in words.

    Raises UserError where a variant without factors is asked for and they are not all 1.
    """
    fitted = fit_epsilon(tensors, variants[variant].epsilon, description.epsilon)
    scales = [name for name in tensors if name.endswith(".norm.scale")]
    if variants[variant].norm_scale and not scales:
        for name in [name for name in tensors if name.endswith(".norm.bias")]:
            tensors[name.replace(".bias", ".scale")] = np.ones_like(tensors[name])
        return [*fitted, "factors of BatchNorm, which the file lacks, set to one"]
    if scales and not variants[variant].norm_scale:
        other = next((name for name in scales if (tensors[name] != 1).any()), None)
        if other:
            raise UserError(
                f"--variant {variant}: that network has no factors in BatchNorm; those of the file are not all 1 "
                f"({other}, for instance)"
            )
        for name in scales:
            del tensors[name]
        return [*fitted, "factors of BatchNorm, all 1, left out"]
    return fitted


def export_note(variants: Mapping[str, Variant], card: WeightsCard, tensors: Mapping[str, np.ndarray]) -> str:
    """Returns what whoever loads an exported file must know of its BatchNorm and its pooling."""
    variant = variants[card.variant]
    if variant.norm_scale:
        return f"names and layers of {card.backbone} as its PyTorch original has them, which loads the file as it is"
    return (
        f"a {card.variant} network: BatchNorm has no factors (set each missing bn.weight to 1), and average pooling "
        "counts the places within the image alone (count_include_pad=False)"
    )
