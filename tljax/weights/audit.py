"""Finds out which input a network was trained on.

A network with batch normalisation remembers the statistics of its training images behind its first layers. Each
candidate input is scored by how far the statistics of given images are from the remembered ones. A wrong scale or
channel order moves them far; another domain of images moves them less.
"""

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8
from rich.table import Table

from tljax.core.errors import UserError
from tljax.core.progress import output
from tljax.models.backbone import BackboneModule
from tljax.models.layers import BatchNorm
from tljax.models.normalisation import NORMALISATIONS, Normalisation
from tljax.weights import networks

IMAGES = 64  # at most
DRAWS, SURE = 200, 0.95  # bootstrap draws of the images, and the share in which the nearest input must be nearest


@dataclass(frozen=True)
class Candidate:
    """One way to feed a network, and how far it is from what the network remembers."""

    names: tuple[str, ...]  # several where the images do not distinguish them
    normalisation: Normalisation
    distance: float  # mean over channels of log(1 + Kullback-Leibler divergence); 0 is a perfect fit


@dataclass(frozen=True)
class Verdict:
    """The candidates, the nearest first, and what they tell."""

    candidates: tuple[Candidate, ...]
    sure: float  # share of bootstrap draws of the images in which the first candidate is nearest
    margin: float  # distance of the second candidate over that of the first

    @property
    def found(self) -> Candidate | None:
        """The input that the network was trained on; None where the images cannot tell."""
        return self.candidates[0] if self.sure >= SURE else None

    def __str__(self) -> str:
        first = " = ".join(self.candidates[0].names)
        told = (
            f"nearest in {self.sure:.0%} of the draws of the images; the next input is {self.margin:.2f} times as far"
        )
        return f"{first} ({told})" if self.found else f"cannot tell. {first} is {told}"


def audit(network: networks.Network, images: UInt8[np.ndarray, "n h w 3"]) -> Verdict:
    """Scores every candidate input of a network by images of any domain.

    Raises UserError for a network without batch normalisation, which keeps no statistics, and for fewer than four
    images.
    """
    if len(images) < 4:
        raise UserError(f"{len(images)} images are too few for an audit: give at least four")
    wanted = _statistics(network.model)
    if not wanted:
        raise UserError(
            f"{network.label} has no batch normalisation and keeps no statistics of its training images, so that its "
            "input cannot be audited. Screen it with each input instead: tljax screen"
        )
    pixels = jnp.asarray(images[:IMAGES], jnp.float32)
    by_input: dict[bytes, list[tuple[str, Normalisation]]] = {}
    for name, normalisation in candidates(network.normalisation).items():
        by_input.setdefault(np.asarray(normalisation(pixels)).tobytes(), []).append((name, normalisation))
    kinds = list(by_input.values())
    draws = np.random.default_rng(0).multinomial(len(pixels), np.full(len(pixels), 1 / len(pixels)), size=DRAWS)
    weights = np.vstack([np.ones(len(pixels)), draws]) / len(pixels)  # the images themselves first
    observe = _observer(network.model)
    distances = np.array([_distances(wanted, observe(kind[0][1](pixels)), weights) for kind in kinds])
    order = np.argsort(distances[:, 0])
    found = tuple(
        Candidate(tuple(name for name, _ in kinds[number]), kinds[number][0][1], float(distances[number, 0]))
        for number in order
    )
    sure = float(np.mean(distances[:, 1:].argmin(axis=0) == order[0]))
    return Verdict(found, sure, found[1].distance / max(found[0].distance, 1e-12))


def candidates(own: Normalisation) -> dict[str, Normalisation]:
    """The inputs to try: every known one, and each of them in the other channel order and in the other scale."""
    found: dict[str, Normalisation] = {}
    for (name, known), swapped in product({**NORMALISATIONS, "the card's": own}.items(), (False, True)):
        if known.channels not in ("rgb", "bgr") or own.channels not in ("rgb", "bgr"):
            if known.channels == own.channels and not swapped:
                found[name] = known
            continue
        other = "rgb" if known.channels == "bgr" else "bgr"
        if swapped:
            found[f"{name}, {other} order"] = replace(known, channels=other)
        else:
            found[name] = known
    if own.channels in ("rgb", "bgr"):
        for channels in ("rgb", "bgr"):
            found[f"pixels 0..1, {channels} order"] = Normalisation(channels, 1 / 255, (0.0,) * 3, (1.0,) * 3)
    return found


def _statistics(model: BackboneModule) -> dict[tuple, tuple[np.ndarray, np.ndarray]]:
    """Running mean and variance (epsilon added) of each batch normalisation, by its place in the network."""
    layers = {path: module for path, module in nnx.iter_modules(model) if isinstance(module, BatchNorm)}
    return {
        path: (np.asarray(layer.mean[...], np.float64), np.asarray(layer.var[...], np.float64) + layer.epsilon)
        for path, layer in layers.items()
    }


def _observer(model: BackboneModule) -> Callable[[Float[Array, "n h w c"]], dict[tuple, tuple[np.ndarray, np.ndarray]]]:
    """A function of images: mean and mean square `n c` of each channel in each image, by batch normalisation."""
    model.eval()
    model.set_attributes(observed=True)
    graph, state = nnx.split(model)
    model.set_attributes(observed=False)

    @jax.jit
    def moments(state: Any, images: Float[Array, "n h w c"]) -> Any:
        def of_one(image: Float[Array, "h w c"]) -> Any:
            network = nnx.merge(graph, state, copy=True)
            network.features(image[None])
            return nnx.state(network, nnx.Intermediate)

        return jax.lax.map(of_one, images)

    def observed(images: Float[Array, "n h w c"]) -> dict[tuple, tuple[np.ndarray, np.ndarray]]:
        found = {path: np.asarray(seen[...], np.float64) for path, seen in nnx.to_flat_state(moments(state, images))}
        places = {path[:-1] for path in found}
        pairs = {place: (found[*place, "seen_mean"], found[*place, "seen_var"]) for place in places}
        return {place: (mean, var + np.square(mean)) for place, (mean, var) in pairs.items()}

    return observed


def _distances(
    wanted: Mapping, observed: Mapping, weights: Float[np.ndarray, "draws n"]
) -> Float[np.ndarray, " draws"]:
    """Mean over layers and channels of log(1 + divergence), for each row of image weights."""
    layers = []
    for path, (wanted_mean, wanted_var) in wanted.items():
        mean, square = (weights @ part for part in observed[path])
        var = np.maximum(square - np.square(mean), 1e-12)
        nats = 0.5 * (np.log(wanted_var / var) + (var + np.square(mean - wanted_mean)) / wanted_var - 1)
        layers.append(np.mean(np.log1p(np.maximum(nats, 0)), axis=1))
    return np.mean(layers, axis=0)


def audit_command(options: argparse.Namespace) -> None:
    """Prints the table and the verdict. Raises UserError as `audit` does."""
    from tljax.datasets.decoding import decode_file, is_image, to_square
    from tljax.datasets.listing import list_files

    if not options.images.is_dir():
        raise UserError(f"--images {options.images}: there is no such folder")
    files = [path for path in list_files(options.images) if is_image(path)]
    step = max(1, math.ceil(len(files) / IMAGES))
    images = [to_square(decode_file(path), options.image_size) for path in files[::step]]
    if not images:
        raise UserError(f"--images {options.images} holds no image")
    network = networks.resolve(options.network, options.weights_dir)
    verdict = audit(network, np.stack(images))
    table = Table("input", "distance", box=None)
    for candidate in verdict.candidates[:12]:
        table.add_row(" = ".join(candidate.names), f"{candidate.distance:.3f}")
    output.print(table)
    output.print(f"\n{len(images)} images. Verdict: {verdict}")
    own = network.normalisation
    if verdict.found and own != verdict.found.normalisation:
        output.print("This is not the input that the card of these weights states.")
