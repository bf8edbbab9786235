"""Weights folders, and the foreign checkpoints that they are made from: a format a file, its name map as data."""

from tljax.weights.card import NORMALISATIONS, Normalisation, WeightsCard
from tljax.weights.convert import Conversion, convert
from tljax.weights.folder import load, read_card, save
from tljax.weights.published import PUBLISHED, find

__all__ = [
    "NORMALISATIONS",
    "PUBLISHED",
    "Conversion",
    "Normalisation",
    "WeightsCard",
    "convert",
    "find",
    "load",
    "read_card",
    "save",
]
