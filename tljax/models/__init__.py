"""Backbones by name, and their tensors by flat name: `stages.0.1.conv2.kernel`, `bn1.mean`, `head.bias`."""

import hashlib
import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from tljax.core.errors import UserError

HEAD = "head."  # what fine-tuning replaces


def _backbones() -> dict[str, ModuleType]:
    """Backbone name -> its module; a new backbone is one new file with ARCHITECTURES, VARIANTS and `Network`."""
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    return {name: module for module in modules for name in getattr(module, "ARCHITECTURES", {})}


def names() -> list[str]:
    return sorted(_backbones())


def build(
    backbone: str,
    variant: str,
    num_classes: int,
    *,
    seed: int | None = 0,
    dropout: float = 0.5,
    dtype: DTypeLike = jnp.float32,
) -> nnx.Module:
    """A randomly initialised network (Glorot-uniform for `keras_v1`, as Keras does it).

    dtype: of the computation; parameters are float32. seed: None draws nothing, every kernel is zero: for shapes, or
    for tensors to be loaded. Raises UserError for an unknown backbone or variant.
    """
    backbones = _backbones()
    if backbone not in backbones:
        raise UserError(f"unknown backbone '{backbone}'; known are {', '.join(sorted(backbones))}")
    module = backbones[backbone]
    if variant not in module.VARIANTS:
        raise UserError(f"unknown variant '{variant}' of {backbone}; known are {', '.join(module.VARIANTS)}")
    rng = None if seed is None else np.random.default_rng(seed)
    return module.Network(backbone, variant, num_classes, dropout=dropout, dtype=dtype, rng=rng)


def build_from(backbone: str, variant: str, tensors: Mapping[str, np.ndarray], *, dropout: float = 0.5) -> nnx.Module:
    """A network of given tensors, its head included. Raises UserError where they do not fit (as `load_flat` does)."""
    num_classes = len(tensors[f"{HEAD}bias"])
    model = nnx.eval_shape(lambda: build(backbone, variant, num_classes, seed=None, dropout=dropout))
    load_flat(model, tensors)
    return model


def shapes(backbone: str, variant: str, num_classes: int) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter and BatchNorm statistic by flat name, without building the network."""
    model = nnx.eval_shape(lambda: build(backbone, variant, num_classes, seed=None))
    return {name: tuple(variable.shape) for name, variable in _tensors(model).items()}


def _tensors(model: nnx.Module) -> dict[str, nnx.Variable]:
    state = nnx.state(model, (nnx.Param, nnx.BatchStat))
    return {_name(path): variable for path, variable in nnx.to_flat_state(state)}


def flatten(model: nnx.Module) -> dict[str, np.ndarray]:
    """All parameters and BatchNorm statistics by flat name."""
    return {name: np.asarray(variable[...]) for name, variable in _tensors(model).items()}


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of a set of tensors: names, shapes and values."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        sha.update(f"{name}{tensors[name].shape}{tensors[name].dtype}".encode())
        sha.update(np.ascontiguousarray(tensors[name]).tobytes())
    return sha.hexdigest()


def load_flat(model: nnx.Module, tensors: Mapping[str, np.ndarray]) -> None:
    """Sets every parameter and statistic of `model`; strict in both directions.

    Raises UserError that names the tensors that are missing, unknown or of another shape.
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
    # a copy of its own on the device; jnp.array would compile a program for each shape
    loaded = [(path, variable.replace(jax.device_put(np.array(tensors[_name(path)])))) for path, variable in state]
    nnx.update(model, nnx.from_flat_state(loaded))


def _name(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))
