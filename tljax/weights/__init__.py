"""Weights folders, and the checkpoints of other frameworks that they are made from: one file per format."""

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
