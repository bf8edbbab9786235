"""Reads and writes weights folders, and converts checkpoints of other frameworks to them: one file per format."""

from tljax.weights.card import NORMALISATIONS, Normalisation, WeightsCard
from tljax.weights.catalogue import find, is_known
from tljax.weights.convert import Conversion, convert
from tljax.weights.folder import load, read_card, save

__all__ = [
    "NORMALISATIONS",
    "Conversion",
    "Normalisation",
    "WeightsCard",
    "convert",
    "find",
    "is_known",
    "load",
    "read_card",
    "save",
]
