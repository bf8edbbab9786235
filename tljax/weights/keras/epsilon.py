"""Reads BatchNorm's epsilon from a Keras file, and adapts variances to another epsilon."""

from collections.abc import Collection

import numpy as np

from tljax.core.errors import UserError
from tljax.weights.files import Source
from tljax.weights.keras.files import Layer
from tljax.weights.match import Match
from tljax.weights.names import in_file

DEFAULT = 1e-3  # Keras'


def epsilon_of(source: Source, match: Match) -> float | None:
    """Returns the epsilon of the network's BatchNorm layers; None where the file does not describe them.

    Raises UserError if they differ.
    """
    norms = {in_file(where)[0].split("/")[-2] for ours, where in match.body.items() if ours.endswith(".var")}
    model = next((model for model in source.models if norms <= model.keys()), None)
    return None if model is None else common_epsilon(source, [model[name] for name in norms])


def common_epsilon(source: Source, norms: Collection[Layer]) -> float:
    """Returns the epsilon that all these layers have. Raises UserError if they differ."""
    epsilons = {layer.config.get("epsilon", DEFAULT) for layer in norms}
    if len(epsilons) > 1:
        raise UserError(f"{source.path} has BatchNorm layers of different epsilon, {sorted(epsilons)}")
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
