"""Computes the frozen features of a data set: all wanted layers in one pass per network, saved on disk for reuse."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int

from tljax import models
from tljax.core.cache import cache_home
from tljax.core.devices import describe
from tljax.core.errors import UserError
from tljax.core.pipeline import stream
from tljax.core.progress import progress_bar
from tljax.datasets import Dataset
from tljax.screen.cache import Arrays, FeatureFolder
from tljax.screen.forward import AveragedForward, require_layers
from tljax.weights.networks import Network

FORMAT = 1  # of the saved features; raise it whenever the same network and images give other features
BLOCK = 512  # number of images after which a pass is saved, so that an interruption costs little
POOLED = "features"


class NotFinite(UserError):
    """Raised if a network gives NaN or infinity for an image."""


@dataclass(frozen=True)
class Features:
    """The features that one network computes from `n` images."""

    pooled: Float32[np.ndarray, "n c"]
    """The output of the backbone, which is the input of a classification head."""
    layers: dict[str, Float32[np.ndarray, "n _c"]]
    """Layers by name, each averaged over its positions."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The cost of the pass: `images_per_second`, `device`, `batch_size`, `bytes`, `multiply_adds`."""


def extract(
    network: Network,
    dataset: Dataset,
    rows: Int[np.ndarray, " n"] | None = None,
    layers: Sequence[str] | None = (),
    *,
    batch_size: int = 32,
    cache_dir: Path | None = None,
    progress: bool = False,
) -> Features:
    """Computes the features of images of a data set, or reads them if an earlier call saved them.

    Args:
        network: a network in inference mode, with the input normalisation to apply.
        rows: the images, as rows of the data set, in the order of the features; None: all of them.
        layers: names of layers to return as well; None: the network's named layers.
        batch_size: number of images in a batch over all devices. Only the features themselves take memory in proportion
            to the number of images.
        cache_dir: default $TLJAX_CACHE, then ~/.cache/tljax. The features are saved in its folder `features`.

    Raises:
        UserError: a layer is unknown, or the disk is full.
        NotFinite: a feature is NaN or infinite.
    """
    layers = tuple(network.model.named_layers if layers is None else dict.fromkeys(layers))
    require_layers(network, layers)
    names = (POOLED, *(f"layer:{name}" for name in layers))
    root = cache_home(cache_dir) / "features"
    digest, size = _digest(network), dataset.images.shape[1]
    wanted = np.arange(len(dataset)) if rows is None else np.asarray(rows)
    if rows is not None:  # the features of all images may have been saved
        whole = FeatureFolder(root / _key(network, digest, dataset, None))
        kept = whole.read(names, len(dataset)) if whole.path.is_dir() else {}
        if len(kept) == len(names):
            return _features({name: array[wanted] for name, array in kept.items()}, whole.facts())
    folder = FeatureFolder(root / _key(network, digest, dataset, rows))
    with folder.locked():
        found = folder.read(names, len(wanted))
        if missing := [name for name in names if name not in found]:
            forward = AveragedForward(
                network, [name.removeprefix("layer:") for name in missing if name != POOLED], batch_size, size
            )
            computed, rate = _compute(forward, dataset, wanted, folder, missing, network.label, progress)
            facts = {
                "network": network.label,
                "dataset": dataset.card.name,
                "image_size": size,
                "images": len(wanted),
                "images_per_second": rate,
                "batch_size": forward.batch_size,
                "bytes": forward.bytes,
                "multiply_adds": forward.multiply_adds,
                "device": describe(),
            }
            folder.write(computed, facts)
            found |= computed
    return _features(found, folder.facts())


def _features(arrays: Arrays, facts: dict[str, Any]) -> Features:
    layers = {name.removeprefix("layer:"): array for name, array in arrays.items() if name != POOLED}
    return Features(arrays[POOLED], layers, facts)


def _digest(network: Network) -> str:
    """Returns a hash of the tensors on which the features depend: all except those of the head."""
    tensors = models.flatten(network.model).items()
    return models.digest({name: tensor for name, tensor in tensors if not name.startswith(models.HEAD)})


def _key(network: Network, digest: str, dataset: Dataset, rows: Int[np.ndarray, " n"] | None) -> str:
    """Returns the name of a folder: a hash of everything on which the features depend."""
    facts = {
        "format": FORMAT,
        "weights": digest,
        "backbone": [network.card.backbone, network.card.variant],
        "precision": _precision(network, dataset.images.shape[1]),
        "normalisation": dataclasses.asdict(network.normalisation),
        "data": dataset.fingerprint,
        "size": dataset.images.shape[1:],
        "rows": None if rows is None else hashlib.sha256(np.asarray(rows, np.int64).tobytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


def _precision(network: Network, size: int) -> str:
    """Returns the data type of the network's last named layer, without running the network."""
    last = network.model.named_layers[-1]
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    _, found = jax.eval_shape(lambda x: network.model.features(x, (last,)), images)
    return found[last].dtype.name


def _compute(
    forward: AveragedForward,
    dataset: Dataset,
    rows: Int[np.ndarray, " n"],
    folder: FeatureFolder,
    names: Sequence[str],
    label: str,
    progress: bool,
) -> tuple[Arrays, float | None]:
    """Returns the named arrays, and the images per second; None if every block had been saved before."""
    arrays = {name: np.empty((len(rows), forward.widths[name]), np.float32) for name in names}
    seconds, computed = 0.0, 0
    with progress_bar(f"features of {label}", len(rows), progress) as advance:
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            block = folder.read_block(start, names, len(part))
            if block is None:
                begun = time.perf_counter()
                block = _run(forward, dataset, part, names)
                seconds, computed = seconds + time.perf_counter() - begun, computed + len(part)
                _require_finite(block, dataset, part, label)
                if len(rows) > BLOCK:
                    folder.write_block(start, block)
            for name in names:
                arrays[name][start : start + len(part)] = block[name]
            advance(len(part))
    return arrays, computed / seconds if computed else None


def _run(forward: AveragedForward, dataset: Dataset, rows: Int[np.ndarray, " n"], names: Sequence[str]) -> Arrays:
    """Returns the features of one block of images."""
    steps = -(-len(rows) // forward.batch_size)
    table = np.full((steps, forward.batch_size), -1)
    table.reshape(-1)[: len(rows)] = rows
    parts = {name: [] for name in names}
    batches = stream(dataset.images, dataset.labels, table, forward.mesh)
    for outputs in _one_ahead(forward(images) for images, _, _ in batches):
        for name in names:
            parts[name].append(np.asarray(outputs[name]))
    return {name: np.concatenate(arrays)[: len(rows)] for name, arrays in parts.items()}


def _one_ahead(batches: Iterator[dict[str, Array]]) -> Iterator[dict[str, Array]]:
    """Yields the same batches; the next one is started before the current one is returned."""
    current = next(batches, None)
    while current is not None:
        coming = next(batches, None)
        yield current
        current = coming


def _require_finite(block: Arrays, dataset: Dataset, rows: Int[np.ndarray, " n"], label: str) -> None:
    """Raises NotFinite, which names the first image."""
    for name, array in block.items():
        broken = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(broken):
            first = dataset.files[rows[broken[0]]]
            raise NotFinite(
                f"{name} of {label} hold NaN or infinity for {len(broken)} of {len(array)} images, the first of which "
                f"is {first}: check the weights and the image, or compute with --precision float32"
            )
