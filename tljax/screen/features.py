"""Writes features of image files, or of the images of a task, to a NumPy file: the command `tljax features`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from tljax import datasets
from tljax.core import devices
from tljax.core.config import FeaturesConfig, parse
from tljax.core.errors import UserError, require_at_least
from tljax.core.files import write_arrays
from tljax.core.progress import progress_bar
from tljax.core.runs import run_at
from tljax.datasets.imagefiles import find_images, read_batches, refuse_bad
from tljax.screen.cache import Arrays
from tljax.screen.extraction import extract
from tljax.screen.forward import AveragedForward
from tljax.weights import networks
from tljax.weights.networks import Network

DEFAULT_SIZE = 224


def main() -> None:
    """Runs the command. Raises UserError for settings that make no sense."""
    config = parse(FeaturesConfig, "tljax features")
    require_at_least(1, config, "batch_size", "image_size")
    if bool(config.images) == bool(config.dataset):
        raise UserError("name either images or folders of images after the network, or a task with --dataset")
    devices.use_compilation_cache(config.cache_dir)
    network = networks.resolve(
        config.network,
        config.weights_dir,
        preprocessing=config.preprocessing,
        backbone=config.backbone,
        variant=config.variant,
        dtype=devices.compute_dtype(config.precision),
    )
    arrays = of_task(config, network) if config.dataset else of_files(config, network)
    write(config.out, arrays)
    count, channels = arrays["features"].shape
    print(f"{count} images, {channels} features each  ->  {config.out}")


def layers_of(config: FeaturesConfig, network: Network) -> tuple[str, ...]:
    """Returns the layers that `--layers` names."""
    groups = {"": (), "named": network.model.named_layers, "all": network.model.all_layers}
    if config.layers in groups:
        return tuple(groups[config.layers])
    return tuple(name.strip() for name in config.layers.split(","))


def of_task(config: FeaturesConfig, network: Network) -> dict[str, np.ndarray]:
    """Returns `features` (n c), `files`, `labels` and the layers (n c) of all images of a task, by name."""
    data = datasets.load(
        str(config.dataset), config.data_dir, config.image_size, cache_dir=config.cache_dir, skip_bad=config.skip_bad
    )
    found = extract(
        network,
        data,
        layers=layers_of(config, network),
        batch_size=config.batch_size,
        cache_dir=config.cache_dir,
        progress=True,
    )
    named = {f"layer:{name}": array for name, array in found.layers.items()}
    return {"features": found.pooled, "files": np.array(data.files), "labels": data.labels, **named}


def of_files(config: FeaturesConfig, network: Network) -> dict[str, np.ndarray]:
    """Returns `features` (n c), `files` and the layers (n c) of image files, by name.

    With `--skip-bad`, files that cannot be read are left out. Raises UserError for such a file otherwise.
    """
    paths = find_images(config.images)
    run = run_at(Path(config.network).expanduser())
    size = config.image_size or (run.config["config"]["image_size"] if run else DEFAULT_SIZE)
    resize = config.resize or ("squash" if run else "crop")
    forward = AveragedForward(network, layers_of(config, network), min(config.batch_size, len(paths)), size)
    parts: list[Arrays] = []
    good: list[Path] = []
    bad: list[str] = []
    with progress_bar("images", len(paths), True) as advance:
        for files, pixels, faults in read_batches(paths, size, resize, forward.batch_size):
            if files:
                outputs = jax.device_get(forward(jax.device_put(pixels, devices.spread(forward.mesh))))
                parts.append({name: array[: len(files)] for name, array in outputs.items()})
            good += files
            bad += faults
            advance(len(files) + len(faults))
    refuse_bad(bad, bool(good), config.skip_bad)
    if bad:
        print(f"left out {len(bad)} of {len(paths)}: {'; '.join(bad)}", file=sys.stderr)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    require_finite(joined["features"], good, network.label)
    return {**joined, "files": np.array([os.fsencode(file).decode("utf-8", "backslashreplace") for file in good])}


def require_finite(features: np.ndarray, files: Sequence[Path], label: str) -> None:
    """Raises UserError, which names the first image, if features are not finite."""
    broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(broken):
        raise UserError(f"the features of {files[broken[0]]} by {label} hold NaN or infinity: check the weights")


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a `.npz` file, either completely or not at all. Raises UserError if the disk cannot be written."""
    try:
        write_arrays(path, arrays)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}); free some space, or name another --out") from error
