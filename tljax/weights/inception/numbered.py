"""Names the layers that Keras numbers: `conv2d`, `conv2d_1`, ... in the order in which a session creates them.

The first number may be any, because the session may have created other networks before. The numbers of one network are
consecutive.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tljax.models.inception import STEM
from tljax.weights.formats import Shapes

_LAYER = re.compile(r"((?:.*/)?)(conv2d|batch_normalization)(?:_(\d+))?/(\w+)")
_LEAVES = {"conv2d": ("kernel",), "batch_normalization": ("beta", "moving_mean", "moving_variance")}


def rename(tensors: Mapping[str, Any]) -> dict[str, str]:
    """Returns, for each numbered layer, the name in the file -> the name with a number that counts from 0.

    Layers that are missing between the first and the last number are included, so that messages can name them.
    """
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for name in tensors:
        if found := _LAYER.fullmatch(name):
            numbers[found[1], found[2]].append(int(found[3] or 0))
    new = {}
    for (prefix, kind), used in numbers.items():
        for number in range(min(used), max(used) + 1):
            for leaf in _LEAVES[kind]:
                new[f"{prefix}{_numbered(kind, number)}/{leaf}"] = (
                    f"{prefix}{_numbered(kind, number - min(used))}/{leaf}"
                )
    return new


def _numbered(kind: str, number: int) -> str:
    return f"{kind}_{number}" if number else kind


def conv(number: int) -> str:
    """Returns the name of a convolution, counted from 0."""
    return _numbered("conv2d", number)


def batch_norm(number: int) -> str:
    """Returns the name of a BatchNorm, counted from 0."""
    return _numbered("batch_normalization", number)


def refuse_other_stem(shapes: Shapes) -> None:
    """Raises KeyError if most of the first convolutions have other shapes than those of an Inception network."""
    width = shapes["conv2d/kernel"][-1]
    inputs, fits = 3, []
    for number, unit in enumerate(STEM):
        outputs, size = unit.outputs * width // STEM[0].outputs, unit.size
        fits.append(shapes.get(f"{conv(number)}/kernel") == (size, size, inputs, outputs))
        inputs = outputs
    if 2 * sum(fits) <= len(fits):
        raise KeyError("conv2d")
