"""python -m tljax.predict: predicts the class probabilities of images with a run or with converted weights."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from rich.text import Text

from tljax.core.config import PredictConfig, parse
from tljax.core.devices import use_compilation_cache
from tljax.core.errors import UserError, require_at_least, run_command
from tljax.core.files import write_csv
from tljax.core.predictions import class_columns
from tljax.core.progress import output
from tljax.core.runs import run_at
from tljax.datasets.imagefiles import find_images, refuse_bad
from tljax.predict.probabilities import predict
from tljax.weights import networks

DEFAULT_SIZE = 224


def main() -> None:
    """Runs the command. Raises UserError for a network without a head, and for settings that make no sense."""
    config = parse(PredictConfig, "tljax predict")
    check(config)
    use_compilation_cache()
    network = networks.resolve(config.network, config.weights_dir)
    classes = network.card.classes
    if not classes:
        raise UserError(
            f"{config.network} has no classification head; fine-tune it first: "
            f"tljax train --init {shlex.quote(config.network)}"
        )
    run = run_at(Path(config.network).expanduser())
    size = config.image_size or (run.config["config"]["image_size"] if run else DEFAULT_SIZE)
    resize = config.resize or ("squash" if run else "crop")
    files, probabilities, bad = predict(network, find_images(config.images), size, resize, config.batch_size)
    if bad:
        refuse_bad(bad, bool(files), config.skip_bad)
        print(f"left out {len(bad)} of {len(bad) + len(files)}: {'; '.join(bad)}", file=sys.stderr)
    if config.out:  # before printing, which may end early at a closed pipe
        write(config.out, files, probabilities, classes)
    show(files, probabilities, classes, config.top)


def check(config: PredictConfig) -> None:
    """Raises UserError for settings that make no sense."""
    if not config.images:
        raise UserError("name the images, or folders of images, after the network")
    require_at_least(1, config, "batch_size", "top", "image_size")


def show(files: Sequence[Path], probabilities: Float[np.ndarray, "n k"], classes: Sequence[str], top: int) -> None:
    """Prints the most probable classes of each image, one line per image."""
    for file, row in zip(files, probabilities, strict=True):
        best = np.argsort(-row, kind="stable")[:top]
        answers = "   ".join(f"{classes[index]} {row[index]:.3f}" for index in best)
        output.print(Text(str(file), "bold").append(f"   {answers}", "not bold"))


def write(path: Path, files: Sequence[Path], probabilities: Float[np.ndarray, "n k"], classes: Sequence[str]) -> None:
    """Writes a CSV file: `file`, then one column per class, named by `class_columns`.

    Bytes of a file's name that are not UTF-8 are written as `\\xff`.
    """
    names = (os.fsencode(file).decode("utf-8", "backslashreplace") for file in files)
    rows = ([name, *(f"{p:.9g}" for p in row)] for name, row in zip(names, probabilities, strict=True))
    try:
        write_csv(path, ["file", *class_columns(classes, ("file",))], rows)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}); free some space, or name another --out") from error


if __name__ == "__main__":
    run_command(main)
