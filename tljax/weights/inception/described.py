"""Compares a Keras file's description of an Inception network's layers with ours.

Keras numbers most layers, so their names do not identify them. If the file describes its layers, each of them must have
the same inputs as ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tljax.models.inception import POOLED, STEM, Part, Plan, Unit, Variant
from tljax.weights.files import Source
from tljax.weights.formats import Description
from tljax.weights.keras.epsilon import common_epsilon
from tljax.weights.keras.graph import (
    INPUT,
    average_pool,
    batch_norm,
    convolution,
    differences,
    join,
    max_pool,
    refuse_difference,
    relu,
    scaled_add,
)
from tljax.weights.keras.own_layers import model_with, own_layers
from tljax.weights.match import Match


def describe(
    architectures: Mapping[str, Any], variants: Mapping[str, Variant], source: Source, match: Match
) -> Description:
    """Returns the epsilon of BatchNorm that Keras' description states, and the variants that compute the same.

    Raises UserError, which names the first layer that differs from ours.
    """
    layers = own_layers(match)
    model = model_with(source, layers["stem.0.conv"])
    if model is None:
        return Description()
    expected = _Expected(layers)
    expected.network(architectures[match.backbone].stages)
    for difference in differences(model, expected.wanted, expected.ends):
        refuse_difference(source.path, difference, match.backbone)
    epsilon = common_epsilon(source, [model[name] for ours, name in layers.items() if "norm" in ours])
    alike = [name for name, kind in variants.items() if kind.count_padding == variants["keras"].count_padding]
    return Description(compatible=tuple(alike), epsilon=epsilon)


class _Expected:
    """What each of our layers computes, by the file's names, and the name of each block's last computation."""

    def __init__(self, layers: Mapping[str, str]):
        self.layers, self.wanted, self.ends = layers, {}, {}

    def network(self, stages: Sequence[Sequence[Part]]) -> None:
        x = INPUT
        for number, unit in enumerate(STEM):
            x = self._unit(f"stem.{number}", unit, x)
            x = max_pool(x, 3, 2, 0) if number in POOLED else x
        for stage, parts in enumerate(stages):
            for number, part in enumerate(parts):
                computation = self._block(f"stages.{stage}.{number}", part, x)
                x = self.ends[computation] = f"block{stage + 2}.{number}"

    def _block(self, ours: str, part: Any, x: str) -> str:
        if isinstance(part, Unit):
            return self._unit(ours, part, x)
        found = [self._branch(f"{ours}.branches.{branch}", steps, x) for branch, steps in enumerate(part.branches)]
        if isinstance(part, Plan):
            if part.pool == "max":
                found.append(max_pool(x, 3, 2, 0))
            elif part.pooled:
                found.append(self._unit(f"{ours}.pooled", part.pooled, average_pool(x, 3, 1, 1)))
            return join(found)
        up = self.layers[f"{ours}.up"]
        self.wanted[up] = convolution(join(found), 1, 0)
        y = scaled_add(x, up, part.scale)
        return relu(y) if part.relu else y

    def _branch(self, ours: str, steps: Sequence[Unit | tuple[Unit, ...]], x: str) -> str:
        for step, units in enumerate(steps):
            sides = (units,) if isinstance(units, Unit) else units
            found = [self._unit(f"{ours}.steps.{step}.{side}", unit, x) for side, unit in enumerate(sides)]
            x = found[0] if len(found) == 1 else join(found)
        return x

    def _unit(self, ours: str, unit: Unit, x: str) -> str:
        conv, norm = self.layers[f"{ours}.conv"], self.layers[f"{ours}.norm"]
        padding: object = 0
        if unit.pad and unit.size != 1:
            padding = unit.size // 2 if isinstance(unit.size, int) else "'same'"
        self.wanted[conv], self.wanted[norm] = convolution(x, unit.stride, padding), batch_norm(conv)
        return relu(norm)
