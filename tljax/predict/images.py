"""Class probabilities of image files, a batch at a time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8
from PIL import Image

from tljax.core import runs
from tljax.core.errors import UserError
from tljax.core.progress import progress_bar
from tljax.datasets.archive import list_files
from tljax.datasets.decode import decode_file, is_image, to_square
from tljax.datasets.pixels import BadImage
from tljax.weights import networks

CROP_MARGIN = 8 / 7  # ImageNet's 256 to 224


def run_of(path: Path) -> runs.Run | None:
    """The run whose folder, or whose weights, lie at `path`: it is to see images as it saw them in training."""
    folder = path.parent if path.name == runs.CHECKPOINT else path
    return runs.read_run(folder) if (folder / runs.CONFIG).is_file() else None


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The image files among `paths` and below the folders among them. Raises UserError where one leads to none."""
    found = []
    for path in paths:
        if not path.exists():
            raise UserError(f"no image or folder {path}")
        below = [file for file in list_files(path) if is_image(file)] if path.is_dir() else [path]
        if not below:
            raise UserError(f"folder {path} holds no image (PNG, JPEG, TIFF, BMP, WebP, DICOM)")
        found += below
    return found


def predict(
    network: networks.Network, paths: Sequence[Path], size: int, resize: str, batch_size: int
) -> tuple[list[Path], Float[np.ndarray, "n k"], list[str]]:
    """The images that can be read, their class probabilities, and what is wrong with the others.

    A batch at a time lies in memory.
    """

    @jax.jit
    def batch(pixels: Array) -> Array:
        return jax.nn.softmax(network.model(network.normalisation(pixels.astype("float32")), layers=()).logits)

    batch_size = min(batch_size, len(paths))
    good, bad, probabilities = [], [], []
    with progress_bar("images", len(paths), True) as advance, ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), batch_size):
            part = paths[start : start + batch_size]
            images = list(pool.map(lambda path: read_image(path, size, resize), part))
            bad += [image for image in images if isinstance(image, str)]
            good += [path for path, image in zip(part, images, strict=True) if not isinstance(image, str)]
            if read := [image for image in images if not isinstance(image, str)]:
                filled = np.zeros((batch_size, size, size, 3), np.uint8)  # of one size, for one program
                filled[: len(read)] = read
                probabilities.append(np.asarray(batch(filled))[: len(read)])
            advance(len(part))
    return good, np.concatenate(probabilities or [np.zeros((0, 1))]), bad


def read_image(path: Path, size: int, resize: str) -> UInt8[np.ndarray, "h w 3"] | str:
    """The image as a square, or what is wrong with it."""
    try:
        image = decode_file(path)
    except BadImage as reason:
        return f"{path} {reason}"
    return to_square(image if resize == "squash" else centre(image, size), size)


def centre(image: Image.Image, size: int) -> Image.Image:
    """The central square of the image, scaled so that its short side was 8/7 of `size`."""
    scale = round(size * CROP_MARGIN) / min(image.size)
    image = image.convert("RGB").resize(
        [max(size, round(side * scale)) for side in image.size], Image.Resampling.BILINEAR
    )
    left, top = ((side - size) // 2 for side in image.size)
    return image.crop((left, top, left + size, top + size))
