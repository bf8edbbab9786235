"""A few pixels of every task's miniature archive, each with the version of the rules that made them.

python tests/golden/task_pixels.py     # after a version was raised; writes task_pixels.npz beside this file
"""

import itertools
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

import archives  # noqa: E402
import tiff_table  # noqa: E402
from PIL import Image  # noqa: E402

from tljax import datasets  # noqa: E402
from tljax.datasets.cache_folders import version_of  # noqa: E402

FILE = Path(__file__).with_suffix(".npz")
SIZE = 12
SHOWN = 24  # images at most, evenly picked


def every_kind_of_file(root: Path) -> Path:
    """A folder of images of many kinds."""
    ramp = np.add.outer(np.arange(SIZE) * 11, np.arange(SIZE) * 7)
    grey, colour = Image.fromarray(ramp.astype(np.uint8)), Image.fromarray(archives.pixels(1, (SIZE, SIZE, 3)))
    for label in ("cat", "dog"):
        folder = root / label
        folder.mkdir(parents=True)
        grey.save(folder / "grey.png")
        colour.save(folder / "colour.webp", lossless=True)
        colour.convert("P").save(folder / "palette.png")
        colour.convert("CMYK").save(folder / "cmyk.tif")
        Image.fromarray(ramp.astype(np.uint16) * 200).save(folder / "deep.png")
        for photometric, kind, bits in ((0, 1, 16), (1, 2, 8), (0, 3, 32), (1, 3, 64), (1, 1, 32)):
            numbers = tiff_table.values(kind, bits, (SIZE, SIZE))
            content = tiff_table.tiff(numbers, photometric, kind, bits, ">", tiff_table.LZW)
            (folder / f"{photometric}-{kind}-{bits}.tif").write_bytes(content)
        archives.write_dicom(folder / "bare.dcm", ramp.astype(np.int16) - 100)
        window = {"WindowCenter": 90, "WindowWidth": 120, "RescaleSlope": 0.5, "RescaleIntercept": 10}
        archives.write_dicom(folder / "window.dcm", ramp.astype(np.uint16), **window)
        archives.write_dicom(folder / "one.dcm", ramp.astype(np.uint8), PhotometricInterpretation="MONOCHROME1")
    return root


SETS: dict[str, tuple[str, Callable[[Path], Path] | None]] = {
    **archives.ARCHIVES,
    "every kind of file": ("folder", every_kind_of_file),
    "phantom": ("phantom", None),
    "phantom-source": ("phantom-source", None),
}


def made(name: str, scratch: Path) -> tuple[str, np.ndarray, list[str]]:
    """The version, some pixels, and the names and classes of the images."""
    task, make = SETS[name]
    if not make:  # generated: all of them would take long
        examples = list(itertools.islice(datasets._task(task).examples(SIZE), SHOWN))
        pixels = np.stack([example.image() for example in examples])
        return version_of(datasets.card(task)), pixels, [f"{one.file} {one.label}" for one in examples]
    data = datasets.load(task, make(scratch / "archive"), SIZE, cache_dir=scratch / "cache", progress=False)
    rows = np.unique(np.linspace(0, len(data) - 1, SHOWN).astype(int))
    names = [f"{data.files[row]} {data.card.classes[data.labels[row]]}" for row in rows]
    return version_of(data.card), np.asarray(data.images[rows]), names


if __name__ == "__main__":
    stored = {}
    for number, name in enumerate(SETS):
        with tempfile.TemporaryDirectory() as scratch:
            version, pixels, names = made(name, Path(scratch))
        stored[f"pixels{number}"], stored[f"facts{number}"] = pixels, np.array(json.dumps([name, version, names]))
    np.savez_compressed(FILE, **stored)
