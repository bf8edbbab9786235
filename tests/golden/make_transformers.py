"""Writes transformers.npz: what other libraries' tiny transformers compute from the tests' weights, at two image sizes.

    PYTHONPATH=.:tests python tests/golden/make_transformers.py CLONES

CLONES: a folder with clones of facebookresearch/dino and facebookresearch/dinov2; the other libraries are packages.
Keys are `SOURCE|FORMAT|BACKBONE|VARIANT|`, then `SIDE|LAYER` (about SAMPLES evenly spaced values of an activation, all
features), `names` (the name and the shape of each tensor in the file that the library saves) or `origin` (which of
these each of our tensors is made of).
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from weight_files import random_tensors

from benchmarks import peers
from benchmarks.parity import rows
from tljax.weights.files import read
from tljax.weights.match import Match
from tljax.weights.names import in_file, to_theirs
from tljax.weights.recognise import recognise

SAMPLES = 100


def sample(values: np.ndarray) -> np.ndarray:
    return values.ravel()[:: max(1, values.size // SAMPLES)]


def load_ours(network: torch.nn.Module, file: dict[str, np.ndarray], match: Match) -> None:
    """Gives a network the tests' weights; which tensor of its file is which of its own, their random values tell."""
    ours = random_tensors(match.backbone, match.variant)
    theirs: dict[str, np.ndarray] = {}
    for name, where in match.body.items():
        theirs |= to_theirs(where, "torch", ours[name])
    by_value = {tensor.tobytes(): name for name, tensor in file.items()}
    given = set()
    for tensor in network.state_dict().values():
        name = by_value.get(tensor.numpy().tobytes())
        if name in theirs:
            tensor.copy_(torch.from_numpy(theirs[name].copy()))
            given.add(name)
    assert given == theirs.keys(), theirs.keys() - given


def main() -> None:
    clones, found = Path(sys.argv[1]), {}
    for row in rows(["dinov3", "vit"]):
        if row.tiny is None:
            continue
        peer = row.make(row.tiny, clones)
        peers.randomise(peer.network)
        with tempfile.TemporaryDirectory() as folder:
            source = read(peer.save(Path(folder)))
        match = recognise(source)
        assert (match.format_name, match.backbone, match.variant) == (row.format, row.tiny, row.variant)
        key = "|".join((row.source, row.format, row.tiny, row.variant))
        found[f"{key}|names"] = np.array([f"{name} {tensor.shape}" for name, tensor in sorted(source.tensors.items())])
        found[f"{key}|origin"] = np.array([f"{ours} {' '.join(in_file(where))}" for ours, where in match.body.items()])
        load_ours(peer.network, source.tensors, match)
        for side in (peer.side, peer.other_side):
            for layer, values in peers.outputs(peer, peers.images(side)).items():
                found[f"{key}|{side}|{layer}"] = values if layer == "features" else sample(values)
    np.savez_compressed(Path(__file__).with_name("transformers.npz"), **found)


if __name__ == "__main__":
    main()
