"""Measures how fast an archive is prepared and loaded, and the memory that this needs.

    python -m benchmarks.preparation [--images 10000] [--side 450] [--image-size 112]

It writes JPEG files like those of ISIC (600 x 450 by default), prepares them as the task `folder`, and loads them again
in a new process. The peak of memory is that of the process that prepares them.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tljax import datasets

LOAD = """
import sys, time
from tljax import datasets
start = time.perf_counter()
data = datasets.load("folder", None, int(sys.argv[1]), cache_dir=sys.argv[2], progress=False)
total = int(data.images.sum(dtype="int64"))
print(f"loaded and read once: {len(data):,} images in {time.perf_counter() - start:.2f} s")
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=450)
    parser.add_argument("--image-size", type=int, default=112)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        archive, cache = Path(scratch, "archive"), Path(scratch, "cache")
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 256, (20, options.side // 10, options.side * 2 // 15, 3), np.uint8)
        for number in range(options.images):
            path = archive / ("benign", "malignant")[number % 2] / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(coarse[number % 20]).resize((options.side * 4 // 3, options.side))
            picture.save(path, quality=90)
        start = time.perf_counter()
        datasets.load("folder", archive, options.image_size, cache_dir=cache)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"prepared: {options.images / seconds:.0f} images/s ({seconds:.0f} s), peak memory {peak:.0f} MiB")
        subprocess.run([sys.executable, "-c", LOAD, str(options.image_size), str(cache)], check=True)


if __name__ == "__main__":
    main()
