"""Reads and writes weights folders, and converts checkpoints of other frameworks to them: one file per format.

Map of the room:

    card, folder                        a weights folder: a card, and tensors by name
    catalogue, download                 published checkpoints, by name
    networks, labels                    networks by name or path, and their labels in tables
    files, torch_files, pickles,        weights files as tensors by name
    shards, keras/
    names, formats/                     where a file of each format keeps our tensors
    recognise, match,                   which format a file has, or why none fits
    incomplete, unsupported
    convert, heads, classes, export     from a file to our tensors, and back
    verify, reference, reference_keras  comparison with the network of the source's library
    audit, audit_probe                  the input that a network was trained on
    convert_command, audit_command      commands; `__main__` has the others
    resnet/, densenet/, inception/,     what the formats of one family share: names, descriptions by Keras,
    convnext/, transformer/             original networks
"""

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
