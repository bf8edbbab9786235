"""Reads PyTorch and safetensors files into tensors by name, which may be under a key. Never runs code of a file."""

import argparse
import importlib
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from tljax.core.errors import UserError
from tljax.weights.card import WeightsCard
from tljax.weights.names import some
from tljax.weights.pickles import is_known, read_with_objects

WRAPPERS = (  # keys under which a file may hold the tensors; the first one found is read
    *("state_dict", "model", "model_state_dict", "model_state", "params", "net", "network", "backbone", "encoder"),
    *("teacher", "student", "state_dict_ema", "model_ema", "params_ema", "ema", "classy_state_dict", "base_model"),
    "trunk",
)

SAVE_TENSORS = "save only its tensors with the program that made it: torch.save(model.state_dict(), 'weights.pth')"

CARD_KEY = "tljax"  # key in the metadata of a safetensors file that tljax wrote


def read_torch(path: Path) -> dict:
    """Returns the fields of a Source for a PyTorch file. Raises UserError if it needs code or holds no tensors."""
    torch = _package("torch", path)
    try:
        with warnings.catch_warnings(action="ignore"):
            state, remarks = _loaded(torch, path)
    except pickle.UnpicklingError as error:
        needed = _forbidden(error)
        fact = f"would run code when it is opened ({needed})" if needed else "is damaged or holds more than tensors"
        raise UserError(f"{path} {fact}, so it was not opened; {SAVE_TENSORS}") from error
    tensors = {str(name): _array(str(name), path, partial(_from_torch, tensor)) for name, tensor in state.items()}
    return {"tensors": tensors, "remarks": remarks}


def read_safetensors(path: Path) -> dict:
    """Returns the fields of a Source for a safetensors file."""
    safetensors = _package("safetensors", path)
    with safetensors.safe_open(path, framework="numpy") as file:
        tensors = {name: _array(name, path, partial(file.get_tensor, name)) for name in file.keys()}  # noqa: SIM118
        text = (file.metadata() or {}).get(CARD_KEY)
    return {"tensors": tensors, "card": WeightsCard.from_json(text) if text else None}


def _loaded(torch: ModuleType, path: Path) -> tuple[Mapping, tuple[str, ...]]:
    """Returns the tensors of a file, and remarks. Raises pickle.UnpicklingError if it holds executable code."""
    try:
        with torch.serialization.safe_globals(_plain_values()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not is_known(_forbidden(error) or ""):
            raise
        content, objects = read_with_objects(path)
        state, remarks = _state_dict(content, path)
        return state, (*objects, *remarks)
    return _state_dict(content, path)


def _forbidden(error: pickle.UnpicklingError) -> str | None:
    """Returns the class or function that a pickle needs but that is not allowed."""
    found = re.search(r"GLOBAL (\S+)", str(error))
    return found[1] if found else None


def _plain_values() -> list:
    """Returns harmless classes that training scripts pickle next to the tensors: NumPy scalars and argument lists."""
    scalar = importlib.import_module("numpy._core.multiarray").scalar
    dtypes = [type(np.dtype(kind)) for kind in "?ilfd"]
    return [argparse.Namespace, np.dtype, *dtypes, scalar, (scalar, "numpy.core.multiarray.scalar")]


def _state_dict(content: object, path: Path) -> tuple[Mapping, tuple[str, ...]]:
    """Returns the tensors of a checkpoint, which may be under a key, and remarks on other keys."""
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__} instead of tensors by name; {SAVE_TENSORS}")
    if _is_state_dict(content):
        return content, ()
    under = [key for key in WRAPPERS if _holds_tensors(content.get(key))]
    if not under:
        under = [key for key, value in content.items() if _is_state_dict(value)]
        if len(under) > 1:
            raise UserError(f"{path} holds a network under each of {some(under)}; save only the one that you want")
    if under:
        state, remarks = _state_dict(content[under[0]], path)
        left = ", ".join(f"'{key}'" for key in under[1:])
        return state, (*remarks, *([f"read from '{under[0]}', not from {left}"] if left else []))
    tensors = {key: value for key, value in content.items() if _is_tensor(value)}
    if not tensors:
        raise UserError(f"{path} holds no tensors by name, only {some(content) or 'nothing'}; {SAVE_TENSORS}")
    others = [key for key in content if key not in tensors]
    return tensors, (f"left out, because they are not tensors: {', '.join(map(repr, others))}",)


def _is_state_dict(value: object) -> bool:
    """Returns whether a value is a mapping of tensors alone."""
    return isinstance(value, Mapping) and len(value) > 0 and all(_is_tensor(member) for member in value.values())


def _holds_tensors(value: object) -> bool:
    """Returns whether a value is a tensor or has tensors at any depth."""
    return _is_tensor(value) or (isinstance(value, Mapping) and any(map(_holds_tensors, value.values())))


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _array(name: str, path: Path, read: Callable[[], np.ndarray]) -> np.ndarray:
    try:
        return read()
    except (TypeError, AttributeError) as error:  # quantised, of 8 bits, sparse, or without values
        raise UserError(
            f"tensor '{name}' of {path} is not a plain array ({reason_of(error)}); "
            "save the weights as float32 with the program that made them"
        ) from error


def _from_torch(tensor) -> np.ndarray:
    import torch

    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()


def _package(name: str, path: Path) -> ModuleType:
    """Imports an optional package. Raises UserError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(f"{path} can only be read with {name}: pip install 'tljax[convert]'") from error


def reason_of(error: Exception) -> str:
    """Returns the first line of an error of a library."""
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
