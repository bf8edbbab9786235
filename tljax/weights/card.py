"""Describes a weights folder: where the weights come from, and which input they were trained on."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from tljax.models.normalisation import NORMALISATIONS, Normalisation

__all__ = ["NORMALISATIONS", "Normalisation", "WeightsCard"]


@dataclass(frozen=True)
class WeightsCard:
    """The `card.json` of a weights folder."""

    name: str
    format: str  # of the file that the weights come from
    backbone: str  # one of `tljax.models.names()`
    variant: str  # of the backbone: strides, biases and epsilon, which the shapes of the tensors do not show
    normalisation: Normalisation
    classes: tuple[str, ...] | None  # of the head, in its order; None if there is no head
    source: str  # the file or run that the weights come from
    sha256: str  # of that file, or of the hashes of several files; of the tensors of a run; "" for random weights
    licence: str
    note: str  # what the conversion assumed or changed

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "WeightsCard":
        """Reads a card. Raises ValueError, KeyError, TypeError or AttributeError if the text is not a card."""
        values = json.loads(text)
        normalisation = {key: _frozen(value) for key, value in values.pop("normalisation").items()}
        classes = _frozen(values.pop("classes"))
        return cls(**values, normalisation=Normalisation(**normalisation), classes=classes)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
