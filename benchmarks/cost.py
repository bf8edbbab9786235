"""Estimates what three studies cost on one chip, on eight and on a cluster.

    python -m benchmarks.cost [--large 6267] [--small 2587]

The cost is the number of training images times the number of epochs, divided by a throughput. The throughput is that of
a ResNet50 epoch at 224 px in bfloat16, with augmentation, which `benchmarks/gpu.sh` measured on one H200. Data sets
with small batches have the lower one. Smaller images cost less in proportion to their area. Every run uses all its
epochs.
"""

import argparse

from tljax import datasets
from tljax.datasets.dataset import Card

PAPER = ("thyroid", "breast", "chest", "mammograms", "knee", "isic", "pcam-small")
TRAIN_SHARE, EPOCHS, VALIDATION = 0.8, 200, 1.1  # share of the images; at most; a validation pass in addition
RUNS = 25  # per task: 5 folds x (2 pre-trained x freeze or not + random)
SMALL = 32  # images of a batch, at most, for which the throughput of small batches holds
LARGE_RUNS, LARGE_IMAGES, LARGE_EPOCHS = 30_000, 5_000, 50
IMAGENET_IMAGES, IMAGENET_EPOCHS = 1_281_167, 90
CHIPS = (1, 8, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=float, default=6267.0, help="images per second of one chip in batches of 128")
    parser.add_argument("--small", type=float, default=2587.0, help=f"in batches of at most {SMALL}")
    rates = parser.parse_args()
    works = {
        f"the paper: {len(PAPER) * RUNS} runs of up to {EPOCHS} epochs": sum(
            RUNS * EPOCHS * TRAIN_SHARE * (card.images or 0) * (card.image_size / 224) ** 2 / _rate(card, rates)
            for card in map(datasets.card, PAPER)
        ),
        f"{LARGE_RUNS:,} runs of {LARGE_IMAGES:,} images, {LARGE_EPOCHS} epochs, batches of 16": LARGE_RUNS
        * LARGE_IMAGES
        * TRAIN_SHARE
        * LARGE_EPOCHS
        / rates.small,
        f"one pre-training on ImageNet-1k, {IMAGENET_EPOCHS} epochs": IMAGENET_IMAGES * IMAGENET_EPOCHS / rates.large,
    }
    print(f"at {rates.large:,.0f} images per second and chip (224 px), {rates.small:,.0f} in small batches\n")
    print("| work | " + " | ".join(f"{chips} chips" if chips > 1 else "1 chip" for chips in CHIPS) + " |")
    print("|---" * (len(CHIPS) + 1) + "|")
    for name, seconds in works.items():
        hours = [seconds * VALIDATION / chips / 3600 for chips in CHIPS]
        print(f"| {name} | " + " | ".join(map(_duration, hours)) + " |")


def _duration(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} h"


def _rate(card: Card, rates: argparse.Namespace) -> float:
    return rates.small if card.batch_size <= SMALL else rates.large


if __name__ == "__main__":
    main()
