"""python -m tljax.predict: class probabilities of images, by a fine-tuned run or by converted weights."""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8
from PIL import Image
from rich.console import Console
from rich.markup import escape

from tljax import networks, runs
from tljax.config import PredictConfig, parse
from tljax.datasets.common.archive import list_files
from tljax.datasets.common.decode import BadImage, decode_file, is_image, to_square
from tljax.devices import use_compilation_cache
from tljax.errors import UserError, require_at_least, run_command
from tljax.files import write_csv
from tljax.progress import progress_bar

DEFAULT_SIZE = 224
CROP_MARGIN = 8 / 7  # ImageNet's 256 to 224


def main() -> None:
    config = parse(PredictConfig, "python -m tljax.predict")
    check(config)
    use_compilation_cache()
    network = networks.resolve(config.network, config.weights_dir)
    classes = network.card.classes
    if not classes:
        raise UserError(
            f"{config.network} has no classification head; fine-tune it first: "
            f"python -m tljax.train --init {config.network}"
        )
    run = run_of(Path(config.network).expanduser())
    size = config.image_size or (run.config["config"]["image_size"] if run else DEFAULT_SIZE)
    resize = config.resize or ("squash" if run else "crop")
    files, probabilities, bad = predict(network, find_images(config.images), size, resize, config.batch_size)
    if bad:
        if not (config.skip_bad and files):
            mend = "" if config.skip_bad else "; mend them, or leave them out with --skip-bad"
            raise UserError(f"{'; '.join(bad[:10])}{' ...' if len(bad) > 10 else ''}{mend}")
        print(f"left out {len(bad)} of {len(bad) + len(files)}: {'; '.join(bad)}", file=sys.stderr)
    show(files, probabilities, classes, config.top)
    if config.out:
        write(config.out, files, probabilities, classes)


def check(config: PredictConfig) -> None:
    """Raises UserError for what makes no sense."""
    if not config.images:
        raise UserError("name the images, or folders of them, after the network")
    require_at_least(1, config, "batch_size", "top", "image_size")


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


def show(files: Sequence[Path], probabilities: Float[np.ndarray, "n k"], classes: Sequence[str], top: int) -> None:
    """A line an image: its likeliest classes."""
    console = Console(highlight=False, soft_wrap=True)
    for file, row in zip(files, probabilities, strict=True):
        best = np.argsort(-row, kind="stable")[:top]
        answers = "   ".join(f"{escape(classes[index])} {row[index]:.3f}" for index in best)
        console.print(f"[bold]{escape(str(file))}[/]   {answers}")


def write(path: Path, files: Sequence[Path], probabilities: Float[np.ndarray, "n k"], classes: Sequence[str]) -> None:
    """A CSV file: `file`, then one column a class. Bytes of a name that are no UTF-8 are written as `\\xff`."""
    names = (os.fsencode(file).decode("utf-8", "backslashreplace") for file in files)
    rows = ([name, *(f"{p:.9g}" for p in row)] for name, row in zip(names, probabilities, strict=True))
    try:
        write_csv(path, ["file", *classes], rows)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror})") from error


if __name__ == "__main__":
    run_command(main)
