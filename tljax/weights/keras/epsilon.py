"""Reads BatchNorm's epsilon from a Keras file, and adapts variances to another epsilon."""

from collections.abc import Collection

import numpy as np

from tljax.core.errors import UserError
from tljax.weights.files import Source
from tljax.weights.keras.files import Layer

DEFAULT = 1e-3  # Keras'


def common_epsilon(source: Source, norms: Collection[Layer]) -> float:
    """Returns the epsilon that all these layers have. Raises UserError if they differ."""
    epsilons = {layer.config.get("epsilon", DEFAULT) for layer in norms}
    if len(epsilons) > 1:
        raise UserError(f"{source.path} has BatchNorm layers with different values of epsilon, {sorted(epsilons)}")
    return epsilons.pop()


def fit_epsilon(tensors: dict[str, np.ndarray], wanted: float, found: float | None) -> list[str]:
    """Changes variances in place so that a BatchNorm of epsilon `wanted` computes what one of `found` did.

    Returns what it did, in words.
    """
    if found is None or found == wanted:
        return []
    for name in tensors:
        if name.endswith(".var"):
            tensors[name] += np.float32(found - wanted)
    return [f"variances raised by {found - wanted:.3g}: the original's BatchNorm epsilon is {found:g}"]
