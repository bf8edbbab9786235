"""Measures the time from the command to the end of its first epoch, with an empty and a filled cache of programs.

python -m benchmarks.startup [--backbone resnet50] [--image-size 64]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro

from tljax import datasets
from tljax.core import runs


def train_one_epoch(workdir: Path, cache: Path, backbone: str, image_size: int) -> tuple[float, float]:
    """Trains one epoch, and returns the seconds from the command to the end of the run: all, and of CPU time."""
    flags = f"--backbone {backbone} --image-size {image_size} --epochs 1 --batch-size 480 --quiet"
    before, began = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "tljax.train", *flags.split(), "--workdir", workdir, "--cache-dir", cache],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    wall, after = time.perf_counter() - began, os.times()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def main(backbone: str = "resnet50", image_size: int = 64) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) / "cache"
        datasets.load("phantom", image_size=image_size, cache_dir=cache, progress=False)  # not part of what is measured
        for name in ("cold", "warm"):
            wall, cpu = train_one_epoch(Path(scratch) / name, cache, backbone, image_size)
            row = json.loads(next((Path(scratch) / name).rglob(runs.METRICS)).read_text())
            print(f"{name}: {wall:.1f} s, {cpu:.1f} s of CPU; the epoch and its compilation {row['seconds']:.1f} s")


if __name__ == "__main__":
    tyro.cli(main)
