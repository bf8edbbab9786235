"""Writes convnext.npz: what other libraries' tiny ConvNeXts compute from the tests' weights, at two image sizes.

    PYTHONPATH=.:tests python tests/golden/make_convnext.py

The keys are those of transformers.npz (make_transformers.py).
"""

import tempfile
from pathlib import Path

import numpy as np
from golden.make_transformers import load_ours, sample
from weight_files import random_tensors

from benchmarks import peers
from benchmarks.parity import rows
from benchmarks.peers.keras_peer import KerasPeer
from tljax.weights.files import read
from tljax.weights.match import Match
from tljax.weights.names import in_file, to_theirs
from tljax.weights.recognise import recognise


def load_ours_in_keras(peer: KerasPeer, file: dict[str, np.ndarray], match: Match) -> None:
    """Gives a Keras network the tests' weights."""
    ours = random_tensors(match.backbone, match.variant)
    theirs: dict[str, np.ndarray] = {}
    for name, where in match.body.items():
        theirs |= to_theirs(where, "keras", ours[name])
    by_value = {tensor.tobytes(): name for name, tensor in file.items()}
    names = [by_value[np.asarray(weight).tobytes()] for weight in peer.network.weights]
    assert set(names) == theirs.keys(), theirs.keys() ^ set(names)
    for weight, name in zip(peer.network.weights, names, strict=True):
        weight.assign(theirs[name])


def main() -> None:
    found = {}
    for row in rows(["convnext"]):
        if row.tiny is None:
            continue
        peer = row.make(row.tiny, None)
        is_keras = isinstance(peer, KerasPeer)
        peer.randomise() if is_keras else peers.randomise(peer.network)
        with tempfile.TemporaryDirectory() as folder:
            source = read(peer.save(Path(folder)))
        match = recognise(source)
        key = "|".join((row.source, row.format, row.tiny, row.variant))
        found[f"{key}|names"] = np.array([f"{name} {tensor.shape}" for name, tensor in sorted(source.tensors.items())])
        found[f"{key}|origin"] = np.array([f"{ours} {' '.join(in_file(where))}" for ours, where in match.body.items()])
        if is_keras:
            load_ours_in_keras(peer, source.tensors, match)
        else:
            load_ours(peer.network, source.tensors, match)
        for side in (peer.side, peer.other_side):
            images = peers.images(side)
            outputs = peer.outputs(images) if is_keras else peers.outputs(peer, images)
            for layer, values in outputs.items():
                found[f"{key}|{side}|{layer}"] = values if layer == "features" else sample(values)
    np.savez_compressed(Path(__file__).with_name("convnext.npz"), **found)


if __name__ == "__main__":
    main()
