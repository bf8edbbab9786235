"""python -m benchmarks.cost [--images-per-second 3800]: what three studies cost on one chip, eight and a cluster.

Arithmetic, no measurement: training images times epochs over a throughput. The throughput is that of a ResNet50 step at
224 px in bfloat16; smaller images cost less in proportion to their area. Every run is taken to use all its epochs.
"""

import argparse

from tljax import datasets

PAPER = ("thyroid", "breast", "chest", "mammograms", "knee", "isic", "pcam-small")
TRAIN_SHARE, EPOCHS, VALIDATION = 0.8, 200, 1.1  # share of the images; at most; a validation pass in addition
RUNS = 25  # per task: 5 folds x (2 pre-trained x freeze or not + random)
LARGE_RUNS, LARGE_IMAGES, LARGE_EPOCHS, LARGE_SIZE = 30_000, 5_000, 50, 224
IMAGENET_IMAGES, IMAGENET_EPOCHS = 1_281_167, 90
CHIPS = (1, 8, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images-per-second", type=float, default=3800.0, help="of one chip")
    rate = parser.parse_args().images_per_second
    cards = [datasets.card(name) for name in PAPER]
    paper = sum((card.images or 0) * TRAIN_SHARE * EPOCHS * RUNS * (card.image_size / 224) ** 2 for card in cards)
    works = {
        f"the paper: {len(PAPER) * RUNS} runs of up to {EPOCHS} epochs": paper,
        f"{LARGE_RUNS:,} runs of {LARGE_IMAGES:,} images, {LARGE_EPOCHS} epochs": LARGE_RUNS
        * LARGE_IMAGES
        * TRAIN_SHARE
        * LARGE_EPOCHS
        * (LARGE_SIZE / 224) ** 2,
        f"one pre-training on ImageNet-1k, {IMAGENET_EPOCHS} epochs": float(IMAGENET_IMAGES * IMAGENET_EPOCHS),
    }
    print(f"at {rate:,.0f} images per second and chip (224 px)\n")
    print("| work | " + " | ".join(f"{chips} chips" if chips > 1 else "1 chip" for chips in CHIPS) + " |")
    print("|---" * (len(CHIPS) + 1) + "|")
    for name, images in works.items():
        hours = [images * VALIDATION / rate / chips / 3600 for chips in CHIPS]
        print(f"| {name} | " + " | ".join(f"{h / 24:.1f} days" if h >= 48 else f"{h:.1f} h" for h in hours) + " |")


if __name__ == "__main__":
    main()
