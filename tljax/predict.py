"""python -m tljax.predict: class probabilities of images, by a fine-tuned run or by converted weights."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8
from PIL import Image
from rich.console import Console
from rich.markup import escape

from tljax import networks, runs
from tljax.config import PredictConfig, parse
from tljax.datasets.common.decode import BadImage, decode_file, is_image, to_square
from tljax.devices import use_compilation_cache
from tljax.errors import UserError, run_command
from tljax.files import write_csv

DEFAULT_SIZE = 224
CROP_MARGIN = 8 / 7  # ImageNet's 256 to 224


def main() -> None:
    config = parse(PredictConfig, "python -m tljax.predict")
    use_compilation_cache()
    network = networks.resolve(config.network, config.weights_dir)
    classes = network.card.classes
    if not classes:
        raise UserError(
            f"{config.network} has no classification head; fine-tune it first: python -m tljax.train --init"
        )
    run = runs.read_run(Path(config.network)) if (Path(config.network) / runs.CONFIG).is_file() else None
    size = config.image_size or (run.config["config"]["image_size"] if run else DEFAULT_SIZE)
    resize = config.resize or ("squash" if run else "crop")
    files, images = read_images(find_images(config.images), size, resize, config.skip_bad)
    probabilities = predict(network, images, config.batch_size)
    show(files, probabilities, classes, config.top)
    if config.out:
        write(config.out, files, probabilities, classes)


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The image files among `paths` and below the folders among them. Raises UserError where one leads to none."""
    found = []
    for path in paths:
        if not path.exists():
            raise UserError(f"no image or folder {path}")
        below = sorted(file for file in path.rglob("*") if is_image(file)) if path.is_dir() else [path]
        if not below:
            raise UserError(f"folder {path} holds no image (PNG, JPEG, TIFF, BMP, DICOM)")
        found += below
    return found


def read_images(
    paths: Sequence[Path], size: int, resize: str, skip_bad: bool
) -> tuple[list[Path], UInt8[np.ndarray, "n h w 3"]]:
    """The images that can be read, as squares. Raises UserError that names the others, unless `skip_bad`."""
    good, images, bad = [], [], []
    for path in paths:
        try:
            image = decode_file(path)
        except BadImage as reason:
            bad.append(f"{path} {reason}")
            continue
        images.append(to_square(image if resize == "squash" else centre(image, size), size))
        good.append(path)
    if bad and not (skip_bad and good):
        raise UserError("; ".join(bad[:10]) + ("" if skip_bad else "; mend them, or leave them out with --skip-bad"))
    return good, np.stack(images)


def centre(image: Image.Image, size: int) -> Image.Image:
    """The central square of the image, scaled so that its short side was 8/7 of `size`."""
    scale = round(size * CROP_MARGIN) / min(image.size)
    image = image.convert("RGB").resize(
        [max(size, round(side * scale)) for side in image.size], Image.Resampling.BILINEAR
    )
    left, top = ((side - size) // 2 for side in image.size)
    return image.crop((left, top, left + size, top + size))


def predict(
    network: networks.Network, images: UInt8[np.ndarray, "n h w 3"], batch_size: int
) -> Float[np.ndarray, "n k"]:
    """Class probabilities, rows summing to one."""

    @jax.jit
    def batch(pixels: Array) -> Array:
        return jax.nn.softmax(network.model(network.normalisation(pixels.astype("float32")), layers=()).logits)

    return np.concatenate([np.asarray(batch(part))[:count] for part, count in batches(images, batch_size)])


def batches(images: UInt8[np.ndarray, "n h w 3"], size: int) -> Iterator[tuple[UInt8[np.ndarray, "b h w 3"], int]]:
    """Batches of one size, the last filled up, and how many of each count; so that one program serves them all."""
    size = min(size, len(images))
    for start in range(0, len(images), size):
        part = images[start : start + size]
        yield np.pad(part, ((0, size - len(part)), (0, 0), (0, 0), (0, 0))), len(part)


def show(files: Sequence[Path], probabilities: Float[np.ndarray, "n k"], classes: Sequence[str], top: int) -> None:
    """A line an image: its likeliest classes."""
    console = Console(highlight=False, soft_wrap=True)
    for file, row in zip(files, probabilities, strict=True):
        best = np.argsort(-row, kind="stable")[:top]
        answers = "   ".join(f"{escape(classes[index])} {row[index]:.3f}" for index in best)
        console.print(f"[bold]{escape(str(file))}[/]   {answers}")


def write(path: Path, files: Sequence[Path], probabilities: Float[np.ndarray, "n k"], classes: Sequence[str]) -> None:
    """A CSV file: `file`, then one column a class."""
    rows = ([file, *(f"{p:.9g}" for p in row)] for file, row in zip(files, probabilities, strict=True))
    try:
        write_csv(path, ["file", *classes], rows)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror})") from error


if __name__ == "__main__":
    run_command(main)
