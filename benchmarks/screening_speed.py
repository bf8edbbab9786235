"""Measures what a screening of ten candidates costs: five networks, and random weights of each.

    python -m benchmarks.screening_speed --data-dir DIR [--folds-dir DIR] [--image-size 224] [--weights-dir DIR]

The networks are a ResNet18, a ResNet50, a DenseNet121, a ViT-S/16 and a ConvNeXt-T. Weights that --weights-dir lacks
are drawn at random, which costs the same. The screening runs twice. The second time, all features are in the cache, so
the time is that of reading them, and of all scores, folds and draws. The script prints the CPU time, the whole time and
the peak of memory.
"""

import dataclasses
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro

from tljax import models, weights
from tljax.weights.networks import resolve

NETWORKS = ("resnet18", "resnet50", "densenet121", "vit_small_patch16_224", "convnext_tiny")


def main(
    data_dir: Path,
    folds_dir: Path | None = None,
    weights_dir: Path | None = None,
    dataset: str = "breast",
    image_size: int = 224,
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folders = [_folder(Path(scratch) / "weights", name, weights_dir) for name in NETWORKS]
        flags = ["--dataset", dataset, "--data-dir", str(data_dir), "--image-size", str(image_size), "--quiet"]
        flags += ["--cache-dir", str(Path(scratch) / "cache")]
        flags += ["--folds-dir", str(folds_dir)] if folds_dir else []
        for name, title in (("first", "with the forward passes"), ("second", "from kept features")):
            out = Path(scratch) / name
            command = [sys.executable, "-m", "tljax.screen", *map(str, folders), *flags, "--out", str(out)]
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONWARNINGS": "ignore"}
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(
                f"{title}: {used:.0f} s of CPU, {time.perf_counter() - began:.0f} s in all; peak of both runs so far "
                f"{after.ru_maxrss / 2**20:.2f} GiB",
                flush=True,
            )
        print((out / "cost.csv").read_text())


def _folder(root: Path, name: str, weights_dir: Path | None) -> Path:
    """Returns the folder of a network's weights: that in --weights-dir, or random ones, written to `root`."""
    given = weights_dir / name if weights_dir else None
    if given and given.is_dir():
        return given
    network = resolve("random", backbone=name)
    card = dataclasses.replace(network.card, name=name)
    weights.save(root / name, models.flatten(network.model), card)
    return root / name


if __name__ == "__main__":
    tyro.cli(main)
