"""Writes inception.npz: what other libraries' tiny Inception networks compute from the tests' weights.

    PYTHONPATH=.:tests python tests/golden/make_inception.py

Keys are `SOURCE|FORMAT|BACKBONE|VARIANT|`, then `SIDE|LAYER` (about SAMPLES evenly spaced values of an activation, all
features), `names` (the name and the shape of each tensor in the file that the library saves) or `origin` (which of
these each of our tensors is made of) and, of Keras, `config` (its description of the layers, as JSON).
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import torch
from golden.make_transformers import load_ours, sample
from weight_files import NARROW, random_tensors

from benchmarks import peers
from benchmarks.parity import rows
from benchmarks.peers.keras_peer import KerasPeer
from tljax.models import inception_v3
from tljax.weights.files import read
from tljax.weights.match import Match
from tljax.weights.names import in_file, to_theirs
from tljax.weights.recognise import recognise


def load_keras(peer: KerasPeer, match: Match) -> None:
    """Gives a network of Keras the tests' weights."""
    ours, theirs = random_tensors(match.backbone, match.variant), {}
    for name, where in match.body.items():
        theirs |= to_theirs(where, "keras", ours[name])
    for layer in peer.network.layers:
        layer.set_weights([theirs[f"{layer.name}/{weight.name}"] for weight in layer.weights])


def main() -> None:
    inception_v3.ARCHITECTURES["inception_v3_narrow"] = NARROW
    found = {}
    for row in rows(["inception"]):
        # Keras builds Inception V3 in its whole depth alone
        tiny = "inception_v3_narrow" if row.format == "keras-inception-v3" else row.tiny
        if tiny is None:
            continue
        peer = row.make(tiny, None)
        is_keras = isinstance(peer, KerasPeer)
        peer.randomise() if is_keras else peers.randomise(peer.network)
        with tempfile.TemporaryDirectory() as folder:
            source = read(peer.save(Path(folder)))
        match = recognise(dataclasses.replace(source, path=Path("file")))
        assert (match.format_name, match.backbone, match.variant) == (row.format, tiny, row.variant), match
        key = "|".join((row.source, row.format, tiny, row.variant))
        found[f"{key}|names"] = np.array([f"{name} {tensor.shape}" for name, tensor in sorted(source.tensors.items())])
        found[f"{key}|origin"] = np.array([f"{ours} {' '.join(in_file(where))}" for ours, where in match.body.items()])
        if is_keras:
            load_keras(peer, match)
            found[f"{key}|config"] = np.array(peer.network.to_json())
        else:
            with torch.no_grad():
                load_ours(peer.network, source.tensors, match)
        for side in (peer.side, peer.other_side):
            images = peers.images(side)
            outputs = peer.outputs(images) if is_keras else peers.outputs(peer, images)
            for layer, values in outputs.items():
                found[f"{key}|{side}|{layer}"] = values if layer == "features" else sample(values)
    np.savez_compressed(Path(__file__).with_name("inception.npz"), **found)


if __name__ == "__main__":
    main()
