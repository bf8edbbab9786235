"""Writes densenets.npz: what other libraries' tiny DenseNets compute from the tests' weights.

    PYTHONPATH=.:tests python tests/golden/make_densenets.py

Keys are `SOURCE|FORMAT|VARIANT|`, then `LAYER` (about SAMPLES evenly spaced values of an activation, all features) or
`names` (the name and the shape of each tensor in the file that the library saves); and `gradient|TENSOR` with values of
torchvision's gradients in training mode, float64, of the sum of the features times `gradient|weight`, by its names.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from weight_files import in_format, random_tensors, to_torch

from benchmarks import peers
from benchmarks.parity import rows
from benchmarks.peers.densenet import TINY
from benchmarks.peers.keras_peer import KerasPeer
from tljax.weights.files import read

SAMPLES = 60


def sample(values: np.ndarray) -> np.ndarray:
    return values.ravel()[:: max(1, values.size // SAMPLES)]


def gradients(peer: peers.Peer, images: np.ndarray) -> dict[str, np.ndarray]:
    peer.network.double().train()
    features = peer.features(torch.from_numpy(images.astype(np.float64)).permute(0, 3, 1, 2))
    weight = np.random.default_rng(0).standard_normal(features.shape)
    (features * torch.from_numpy(weight)).sum().backward()
    named = {n: p.grad for n, p in peer.network.named_parameters() if p.grad is not None and "classifier" not in n}
    return {"weight": weight} | {name: sample(gradient.numpy()) for name, gradient in named.items()}


def main() -> None:
    arrays = {}
    for row in rows(["densenet"]):
        peer = row.make(TINY, None)
        state = in_format(random_tensors(TINY, row.variant), row.format, TINY, row.variant)
        if isinstance(peer, KerasPeer):
            for layer in peer.network.layers:
                layer.set_weights([state[f"{layer.name}/{weight.name}"] for weight in layer.weights])
        else:
            body = {name: tensor for name, tensor in to_torch(state).items() if "classifier" not in name}
            found = peer.network.load_state_dict(body, strict=False)
            untouched = [name for name in found.missing_keys if "num_batches" not in name and "classifier" not in name]
            assert not untouched and not found.unexpected_keys, found
            peer.network.eval()
        key = "|".join((row.source, row.format, row.variant))
        with tempfile.TemporaryDirectory() as folder:
            saved = read(peer.save(Path(folder))).tensors
        arrays[f"{key}|names"] = np.array([f"{name} {tensor.shape}" for name, tensor in sorted(saved.items())])
        images = peers.images(peer.other_side, peer.channels)
        outputs = peer.outputs(images) if isinstance(peer, KerasPeer) else peers.outputs(peer, images)
        for layer, values in outputs.items():
            arrays[f"{key}|{layer}"] = values if layer == "features" else sample(values)
        if row.source == "torchvision":
            arrays |= {f"gradient|{name}": values for name, values in gradients(peer, images).items()}
    np.savez_compressed(Path(__file__).with_name("densenets.npz"), **arrays)


if __name__ == "__main__":
    main()
