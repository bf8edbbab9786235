"""Finds the layers of a network in the description that a Keras file gives of its model."""

from collections.abc import Mapping

from tljax.weights.files import Source
from tljax.weights.keras.files import Layer
from tljax.weights.match import Match
from tljax.weights.names import in_file


def own_layers(match: Match) -> dict[str, str]:
    """Returns our layer -> the file's name of it, for the layers of the network that hold tensors, without the head."""
    return {ours.rpartition(".")[0]: in_file(where)[0].split("/")[-2] for ours, where in match.body.items()}


def model_with(source: Source, layer: str) -> Mapping[str, Layer] | None:
    """Returns the layers of the model that a layer, by the file's name, belongs to; None if it is not described."""
    return next((model for model in source.models if layer in model), None)
