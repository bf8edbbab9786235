"""Builds backbones by name, and reads their tensors by flat name, such as `stages.0.1.conv2.kernel` or `head.bias`."""

import hashlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from tljax.core import plugins
from tljax.core.errors import UserError
from tljax.models.backbone import HEAD, Backbone, BackboneModule, Outputs, Taps
from tljax.models.normalisation import NORMALISATIONS, Normalisation

__all__ = [
    "HEAD",
    "Backbone",
    "BackboneModule",
    "Outputs",
    "Taps",
    "build",
    "build_from",
    "default_variant",
    "digest",
    "families",
    "family_of",
    "flatten",
    "input_channels",
    "input_multiple",
    "input_smallest",
    "load_flat",
    "names",
    "normalisation_of",
    "shapes",
]


def families() -> dict[str, ModuleType]:
    """Returns the modules of all families by name; `tljax.models.backbone` states what such a module declares."""
    return {name: module for name, module in plugins.find(__name__, __path__).items() if hasattr(module, "Network")}


def names() -> list[str]:
    """Returns the names of all backbones."""
    return sorted(name for module in families().values() for name in module.ARCHITECTURES)


def family_of(backbone: str) -> str:
    """Returns the family of a backbone. Raises UserError for an unknown backbone."""
    found = next((family for family, module in families().items() if backbone in module.ARCHITECTURES), None)
    if found is None:
        raise UserError(f"unknown backbone '{backbone}'; known are {', '.join(names())}")
    return found


def _module(backbone: str, variant: str) -> ModuleType:
    module = families()[family_of(backbone)]
    if variant not in module.VARIANTS:
        raise UserError(f"unknown variant '{variant}' of {backbone}; known are {', '.join(module.VARIANTS)}")
    return module


def default_variant(backbone: str) -> str:
    """Returns the first variant of the backbone's family."""
    return next(iter(families()[family_of(backbone)].VARIANTS))


def normalisation_of(backbone: str, variant: str) -> Normalisation:
    """Returns the input normalisation of a network with random weights."""
    module = _module(backbone, variant)
    of_family = getattr(module, "NORMALISATION", "imagenet")
    return NORMALISATIONS[getattr(module.VARIANTS[variant], "normalisation", None) or of_family]


def build(
    backbone: str,
    variant: str,
    num_classes: int,
    *,
    seed: int | None = 0,
    dropout: float = 0.5,
    dtype: DTypeLike = jnp.float32,
) -> BackboneModule:
    """Returns a network with random weights from the distribution of its variant.

    seed: None leaves every kernel zero, if only shapes are needed or tensors are loaded later. dropout: dropout rate
    before the head. dtype: data type of the computation; parameters are float32. Raises UserError for an unknown
    backbone or variant.
    """
    module = _module(backbone, variant)
    rng = None if seed is None else np.random.default_rng(seed)
    return module.Network(backbone, variant, num_classes, dropout=dropout, dtype=dtype, rng=rng)


def build_from(
    backbone: str, variant: str, tensors: Mapping[str, np.ndarray], *, dropout: float = 0.5
) -> BackboneModule:
    """Returns a network with the given tensors, including those of the head. Raises UserError if they do not fit."""
    num_classes = len(tensors[f"{HEAD}bias"])
    model = nnx.eval_shape(lambda: build(backbone, variant, num_classes, seed=None, dropout=dropout))
    load_flat(model, tensors)
    return model


def shapes(backbone: str, variant: str, num_classes: int) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter and BatchNorm statistic by flat name, without building the network."""
    model = nnx.eval_shape(lambda: build(backbone, variant, num_classes, seed=None))
    return {name: tuple(variable.shape) for name, variable in _tensors(model).items()}


def input_channels(backbone: str, variant: str) -> int:
    """Returns the number of channels of the network's input: 3, or 1 for grey images."""
    return nnx.eval_shape(lambda: build(backbone, variant, 1, seed=None)).input_channels


def input_multiple(backbone: str, variant: str) -> int:
    """Returns the number of pixels of which the sides of an input image must be multiples."""
    return nnx.eval_shape(lambda: build(backbone, variant, 1, seed=None)).input_multiple


def input_smallest(backbone: str, variant: str) -> int:
    """Returns the smallest allowed side of an input image, in pixels."""
    return nnx.eval_shape(lambda: build(backbone, variant, 1, seed=None)).input_smallest


def _tensors(model: nnx.Module) -> dict[str, nnx.Variable]:
    state = nnx.state(model, (nnx.Param, nnx.BatchStat))
    return {_name(path): variable for path, variable in nnx.to_flat_state(state)}


def flatten(model: nnx.Module) -> dict[str, np.ndarray]:
    """Returns all parameters and BatchNorm statistics by flat name."""
    return {name: np.asarray(variable[...]) for name, variable in _tensors(model).items()}


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """Returns the SHA-256 of a set of tensors: names, shapes and values."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        sha.update(f"{name}{tensors[name].shape}{tensors[name].dtype}".encode())
        sha.update(np.ascontiguousarray(tensors[name]).tobytes())
    return sha.hexdigest()


def load_flat(model: nnx.Module, tensors: Mapping[str, np.ndarray]) -> None:
    """Sets every parameter and statistic of `model`.

    Raises UserError, which names the tensors, if tensors are missing, unknown or have another shape.
    """
    own = _tensors(model)
    faults = [f"'{name}' is missing" for name in own if name not in tensors]
    faults += [f"'{name}' has no place in this network" for name in tensors if name not in own]
    faults += [
        f"'{name}' is {tuple(tensors[name].shape)}, the network has {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tuple(tensors[name].shape) != tuple(own[name].shape)
    ]
    if faults:
        more = f" (and {len(faults) - 8} more)" if len(faults) > 8 else ""
        raise UserError(f"the weights do not fit the network: {'; '.join(faults[:8])}{more}")
    state = nnx.to_flat_state(nnx.state(model, (nnx.Param, nnx.BatchStat)))
    # copies each array to the device; jnp.array would compile a program for each shape
    loaded = [(path, variable.replace(jax.device_put(np.array(tensors[_name(path)])))) for path, variable in state]
    nnx.update(model, nnx.from_flat_state(loaded))


def _name(path: Sequence[Any]) -> str:
    return ".".join(map(str, path))
