"""Which chance level of a similarity is right if patients have several images? Real images, each warped many times.

    python -m benchmarks.chance --data-dir BREAST [--weights-dir WEIGHTS] [--first imagenet] [--second random]

A simulated patient is one image of the task, and the images of the patient are copies of it, warped as in training.
They therefore resemble each other. Two networks see all images. A mismatched pair is an image in the first network and
another image in the second. "value" is the measure of matching pairs. Three rules give the mismatched pairs:

    neighbour      the next image in a shuffled block; a block holds whole patients, and may be one patient
    tljax          whole patients with other patients, image by image (`tljax.compare.pairing.mismatch`)
    all rotations  mean and standard deviation over rotations of the patients by one, two, ... places

The last is the reference: every rotation pairs each patient with another one, and none is preferred.
"""

import argparse
import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from tljax import datasets
from tljax.compare.full import BLOCKS
from tljax.compare.pairing import blocks_of, mismatch
from tljax.similarity.cca import mean_cca
from tljax.similarity.cka import debiased_cka
from tljax.train.augment import random_matrices, warp
from tljax.weights import networks

LAYERS = ("block2", "block3")
MEASURES = {"debiased_cka": debiased_cka, "cca": mean_cca}
ROTATIONS = 9
DESIGNS = ((10, 30), (30, 10))  # patients, images of each


@dataclasses.dataclass(frozen=True)
class Options:
    """What to compare."""

    data_dir: Path
    weights_dir: Path | None
    first: str
    second: str
    image_size: int
    seed: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--weights-dir", type=Path)
    parser.add_argument("--first", default="imagenet")
    parser.add_argument("--second", default="random")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = Options(**vars(parser.parse_args()))
    pair = [networks.resolve(spec, options.weights_dir) for spec in (options.first, options.second)]
    print("| patients x images | layer | measure | value | neighbour | tljax | all rotations |")
    print("|---|---|---|---|---|---|---|")
    for patients, each in DESIGNS:
        pictures = warped(options, patients, each)
        views = [activations(network, pictures) for network in pair]
        for layer in LAYERS:
            for measure, function in MEASURES.items():
                x, y = (view[layer] for view in views)
                levels = chance(function, x, y, patients, each, options.seed)
                cells = " | ".join(levels)
                print(f"| {patients} x {each} | {layer} | {measure} | {cells} |", flush=True)


def warped(options: Options, patients: int, each: int) -> np.ndarray:
    """Returns uint8 images `n h w 3`, patient by patient: `each` warped copies of each of `patients` images."""
    data = datasets.load("breast", options.data_dir, options.image_size)
    rows = np.random.default_rng(options.seed).choice(len(data.labels), patients, replace=False)
    stacked = jnp.asarray(np.repeat(np.asarray(data.images[np.sort(rows)]), each, axis=0))
    matrices = random_matrices(
        jax.random.key(options.seed), len(stacked), (options.image_size, options.image_size), flip=True
    )
    return np.asarray(jnp.round(warp(stacked, matrices)), np.uint8)


def activations(network: networks.Network, pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the activations `n h w c` of the layers."""

    @jax.jit
    def forward(batch: jax.Array) -> dict[str, jax.Array]:
        return network.model.features(network.normalisation(batch.astype(jnp.float32)), LAYERS)[1]

    found = [jax.device_get(forward(jnp.asarray(batch))) for batch in np.split(pictures, len(pictures) // 20)]
    return {layer: np.concatenate([part[layer] for part in found]) for layer in LAYERS}


def chance(function, x: np.ndarray, y: np.ndarray, patients: int, each: int, seed: int) -> list[str]:
    """Returns the value of matching pairs and the chance level by each rule, as text."""

    def value(partner: np.ndarray) -> float:
        return float(function(x.reshape(-1, x.shape[-1]), y[partner].reshape(-1, y.shape[-1])))

    rows = np.arange(patients * each)
    groups = [str(row // each) for row in rows]
    blocks = blocks_of(groups, BLOCKS, seed)
    neighbour = rows.copy()
    for block in blocks:
        neighbour[block] = np.roll(block, -1)
    others = [value(np.roll(rows, k * each)) for k in range(1, ROTATIONS + 1)]
    levels = [value(partner) for partner in (rows, neighbour, mismatch(groups, blocks, seed).partner)]
    return [*(f"{level:.3f}" for level in levels), f"{np.mean(others):.3f} ({np.std(others):.3f})"]


if __name__ == "__main__":
    main()
