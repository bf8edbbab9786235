"""Are near-duplicates found? Copies of ultrasound images are flipped, resized or compressed again, and added.

    python -m benchmarks.duplicates [--data-dir BREAST] [--planted 200]

Recall: the share of the copies that are paired with their original. Precision: the share of right pairs among all pairs
with a copy. A pair of a copy with an earlier near-duplicate of its original is also right (BUSI has many).
"""

import argparse
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tljax import datasets
from tljax.datasets.duplicate_images import find_duplicates
from tljax.datasets.signatures import SIGNATURE, signature_of

FLIPS = (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180)


def disguise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Returns the image flipped, resized (by 0.5 to 1.5, the sides unequally by 10 %), compressed again, or several."""
    flipped, resized, compressed = rng.random(3) < 0.5
    if flipped:
        image = image.transpose(FLIPS[rng.integers(3)])
    if resized or not (flipped or compressed):
        scale = rng.uniform(0.5, 1.5)
        size = (round(image.width * scale), round(image.height * scale * rng.uniform(0.9, 1.1)))
        image = image.resize(size, Image.Resampling.BICUBIC)
    if compressed:
        content = io.BytesIO()
        image.save(content, "JPEG", quality=int(rng.integers(40, 96)))
        image = Image.open(content).convert("RGB")
    return image


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, help="the breast images; without it, phantoms")
    parser.add_argument("--planted", type=int, default=200)
    options = parser.parse_args()
    if options.data_dir:
        originals = [Image.open(path).convert("RGB") for path in sorted(options.data_dir.rglob("*.png"))]
    else:
        originals = [Image.fromarray(image) for image in datasets.load("phantom", image_size=256).images]
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(originals), options.planted, replace=False)
    pictures = [*originals, *(disguise(originals[row], rng) for row in chosen)]
    signatures = np.array([signature_of(picture) for picture in pictures], SIGNATURE)
    start = time.perf_counter()
    pairs = {(pair.first, pair.second) for pair in find_duplicates(signatures["thumbnail"], signatures["digest"])}
    seconds = time.perf_counter() - start

    before = {pair for pair in pairs if pair[1] < len(originals)}
    truth = {(int(row), len(originals) + copy) for copy, row in enumerate(chosen)}
    origin = dict(enumerate(chosen.tolist(), len(originals)))
    with_copy = pairs - before
    right = {
        (first, second)
        for first, second in with_copy
        if (first, second) in truth
        or tuple(sorted((origin.get(first, first), origin[second]))) in before
        or origin.get(first, first) == origin[second]
    }
    print(f"{len(originals)} images, {len(before)} near-duplicate pairs among them; {options.planted} copies planted")
    print(f"recall {len(truth & pairs) / len(truth):.3f}, precision {len(right) / len(with_copy):.3f}, {seconds:.1f} s")


if __name__ == "__main__":
    main()
