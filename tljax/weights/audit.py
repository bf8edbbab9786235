"""Finds out which input a network was trained on.

A network with batch normalisation keeps the statistics of its training images after each layer. Each candidate input is
scored by the distance between these statistics and those of given images. A wrong scale or channel order makes the
distance large; another domain of images makes it less large.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from tljax.core.errors import UserError
from tljax.models.backbone import BackboneModule
from tljax.models.layers import BatchNorm
from tljax.models.normalisation import NORMALISATIONS, Normalisation
from tljax.weights import networks

IMAGES = 64  # largest number of images that are used
ALIKE = 0.4  # in standard deviations of the pixels; the inputs of ImageNet, CLIP and RAD-DINO differ by less
DRAWS, SURE = 200, 0.95  # bootstrap draws of the images, and the share in which the nearest input must be nearest


@dataclass(frozen=True)
class ScoredInput:
    """A candidate for the input normalisation, and its distance."""

    names: tuple[str, ...]  # several, if they are the same on these images
    normalisation: Normalisation
    distance: float  # for batch statistics: mean of log(1 + Kullback-Leibler divergence); for a probe: 1 - AUC


@dataclass(frozen=True)
class AuditVerdict:
    """The candidates, nearest first, and how sure the audit is.

    `alike` holds the first candidate and all that give nearly the same values for these images. No audit can
    distinguish them.
    """

    candidates: tuple[ScoredInput, ...]
    alike: tuple[ScoredInput, ...]
    sure: float  # share of bootstrap draws of the images in which one of `alike` is nearest
    margin: float  # distance of the nearest other candidate, divided by that of the first

    @property
    def found(self) -> tuple[ScoredInput, ...]:
        """The inputs of which one is the network's own; empty if the images do not decide."""
        return self.alike if self.sure >= SURE else ()

    def __str__(self) -> str:
        names = " or ".join(" = ".join(candidate.names) for candidate in self.alike)
        draws = f"in {self.sure:.0%} of the draws of the images"
        margin = f"the next input is {self.margin:.2f} times as far"
        several = len(self.alike) > 1
        detail = f"{'nearly the same input; one of them is ' if several else ''}nearest {draws}; {margin}"
        return f"{names} ({detail})" if self.found else f"cannot tell. {names}: {detail}"


def audit(network: networks.Network, images: UInt8[np.ndarray, "n h w 3"]) -> AuditVerdict:
    """Scores every candidate input of a network with images of any domain.

    Raises UserError for a network without batch normalisation, which keeps no statistics, and for fewer than four
    images. Copies of an image and images of a single colour do not count.
    """
    if len(images) < 4:
        raise UserError(f"{len(images)} images are too few for an audit; it needs at least four")
    telling = len({image.tobytes() for image in images if (image != image[0, 0]).any()})
    if telling < 4:
        raise UserError(
            f"only {telling} of the {len(images)} images are neither copies of another one nor of a single colour; an "
            "audit needs at least four such images"
        )
    wanted = _statistics(network.model)
    if not wanted:
        raise UserError(
            f"{network.label} has no batch normalisation, so it keeps no statistics of its training images. Its input "
            "can be audited with images of known classes: put those of each class into one folder of --images"
        )
    pixels = jnp.asarray(images[:IMAGES], jnp.float32)
    kinds = distinct(candidates(network.normalisation), pixels)
    draws = np.random.default_rng(0).multinomial(len(pixels), np.full(len(pixels), 1 / len(pixels)), size=DRAWS)
    weights = np.vstack([np.ones(len(pixels)), draws]) / len(pixels)  # the first row is of the images themselves
    observe = _observer(network.model)
    distances = np.array([_distances(wanted, observe(kind[0][1](pixels)), weights) for kind in kinds])
    return judge(kinds, distances, pixels)


def keeps_statistics(network: networks.Network) -> bool:
    """Returns whether a network has batch normalisation, which `audit` needs."""
    return bool(_statistics(network.model))


Kind = list[tuple[str, Normalisation]]


def distinct(inputs: Mapping[str, Normalisation], pixels: Float[Array, "n h w 3"]) -> list[Kind]:
    """Groups inputs that are the same on these images, as both channel orders are on grey images."""
    by_input: dict[bytes, Kind] = {}
    for name, normalisation in inputs.items():
        by_input.setdefault(np.asarray(normalisation(pixels)).tobytes(), []).append((name, normalisation))
    return list(by_input.values())


def judge(
    kinds: Sequence[Kind], distances: Float[np.ndarray, "kinds draws"], pixels: Float[Array, "n h w 3"]
) -> AuditVerdict:
    """Returns the verdict on inputs with these distances.

    The first column is of the images themselves, the others are of bootstrap draws.
    """
    order = np.argsort(distances[:, 0])
    found = [
        ScoredInput(tuple(name for name, _ in kinds[number]), kinds[number][0][1], float(distances[number, 0]))
        for number in order
    ]
    first = np.asarray(found[0].normalisation(pixels))
    near = [_difference(first, np.asarray(each.normalisation(pixels))) < ALIKE for each in found]
    sure = float(np.isin(distances[:, 1:].argmin(axis=0), order[near]).mean())
    margin = min((each.distance for each, is_near in zip(found, near, strict=True) if not is_near), default=math.inf)
    alike = tuple(each for each, is_near in zip(found, near, strict=True) if is_near)
    return AuditVerdict(tuple(found), alike, sure, margin / max(found[0].distance, 1e-12))


def _difference(one: Float[np.ndarray, "n h w c"], other: Float[np.ndarray, "n h w c"]) -> float:
    """Returns the root mean square difference of two normalised images, in standard deviations of the first."""
    return float(np.sqrt(np.mean(np.square(one - other))) / max(one.std(), 1e-12))


def candidates(own: Normalisation) -> dict[str, Normalisation]:
    """Returns the inputs to try: each known one in both channel orders, and pixels in 0..1."""
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
    """Returns running mean and variance (plus epsilon) of each batch normalisation, by its place in the network."""
    layers = {path: module for path, module in nnx.iter_modules(model) if isinstance(module, BatchNorm)}
    return {
        path: (np.asarray(layer.mean[...], np.float64), np.asarray(layer.var[...], np.float64) + layer.epsilon)
        for path, layer in layers.items()
    }


def _observer(model: BackboneModule) -> Callable[[Float[Array, "n h w c"]], dict[tuple, tuple[np.ndarray, np.ndarray]]]:
    """Returns a function from images to mean and mean square `n c` per image and channel, by batch normalisation."""
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
    """Returns the mean over layers and channels of log(1 + divergence), for each row of image weights."""
    layers = []
    for path, (wanted_mean, wanted_var) in wanted.items():
        mean, square = (weights @ part for part in observed[path])
        var = np.maximum(square - np.square(mean), 1e-12)
        nats = 0.5 * (np.log(wanted_var / var) + (var + np.square(mean - wanted_mean)) / wanted_var - 1)
        layers.append(np.mean(np.log1p(np.maximum(nats, 0)), axis=1))
    return np.mean(layers, axis=0)
