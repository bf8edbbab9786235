"""What a weights folder says of itself: where the weights come from and what input they were trained on."""

from dataclasses import dataclass

from tljax.normalisation import NORMALISATIONS, Normalisation

__all__ = ["NORMALISATIONS", "Normalisation", "WeightsCard"]


@dataclass(frozen=True)
class WeightsCard:
    """The `card.json` of a weights folder."""

    name: str
    format: str  # in which the weights came
    backbone: str  # one of `tljax.models.names()`
    variant: str  # of the backbone: strides, biases and epsilon, which the tensors' shapes do not tell
    normalisation: Normalisation
    classes: tuple[str, ...] | None  # of the head, in its order; None: no head among the tensors
    source: str  # the file or run that the weights came from
    sha256: str  # of that file; "" where it was no single file
    licence: str
    note: str  # what was assumed or changed in conversion
