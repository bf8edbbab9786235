"""Opens a weights file by what it holds, not by its name; no code from the file is ever run."""

import argparse
import hashlib
import importlib
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np

from tljax.errors import UserError
from tljax.weights.card import WeightsCard
from tljax.weights.keras_files import read_archive, read_hdf5
from tljax.weights.names import Layout

WRAPPERS = (  # keys around the tensors, the wanted ones first
    *("state_dict", "model", "model_state_dict", "model_state", "net", "network", "backbone", "encoder"),
    *("teacher", "student", "state_dict_ema", "model_ema", "ema", "classy_state_dict", "base_model", "trunk"),
)

SAVE_TENSORS = "where it was made, save its tensors alone: torch.save(model.state_dict(), 'weights.pth')"

CARD_KEY = "tljax"  # in the metadata of a safetensors file that we wrote


@dataclass(frozen=True)
class Source:
    """A weights file, read."""

    path: Path
    layout: Layout
    tensors: dict[str, np.ndarray]  # torch: by dotted name; keras: "layer/weight", whatever the file's layout
    sha256: str
    card: WeightsCard | None = None  # of a file that we wrote ourselves
    saved_model: bool = False  # HDF5: a whole Keras model rather than its weights
    layer_configs: Mapping[str, Mapping] = field(default_factory=dict)  # Keras' own description of each layer, if any
    remarks: tuple[str, ...] = ()  # on what was read


def read(path: Path) -> Source:
    """Reads any file that `tools/convert_weights.py` knows. Raises UserError that says what the file is instead."""
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name the weights file in it")
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    layout, reader = _recognise(path)
    return Source(path=path, layout=layout, sha256=_sha256(path), **reader(path))


def _recognise(path: Path) -> tuple[Layout, Callable[[Path], dict]]:
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(b"version https://git-lfs"):
        raise UserError(f"{path} is a Git LFS pointer, not the weights; fetch them with: git lfs pull")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError(f"{path} is a web page, not weights: the download gave an error page; fetch the file again")
    if start.startswith(b"PK\x03\x04"):
        return _recognise_zip(path)
    if start.startswith(b"\x80") and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "torch", _read_torch
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras", read_hdf5
    if start[8:9] == b"{" and not start.startswith(b"{"):  # after the length of its header
        return "torch", _read_safetensors
    if start.lstrip().startswith(b"{"):
        raise UserError(f"{path} is a description in JSON; name the file of weights that lies beside it")
    raise UserError(f"{path} is in no known format; known are PyTorch, safetensors and Keras files")


def _recognise_zip(path: Path) -> tuple[Layout, Callable[[Path], dict]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is truncated: its table of contents is missing; fetch the file again") from error
    if any(member.endswith("/constants.pkl") for member in members):
        raise UserError(f"{path} is a TorchScript program, which was not run; {SAVE_TENSORS}")
    if any(member.endswith("data.pkl") for member in members):
        return "torch", _read_torch
    if {"config.json", "model.weights.h5"} <= set(members):
        return "keras", read_archive
    raise UserError(f"{path} is a zip archive, but neither a PyTorch nor a Keras file")


def _read_torch(path: Path) -> dict:
    torch = wanted_package("torch", path)
    try:
        with torch.serialization.safe_globals(_plain_values()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(_unsafe_or_damaged(path, error)) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise UserError(f"{path} is truncated or damaged: {_reason(error)}; fetch the file again") from error
    state, remarks = _state_dict(content, path)
    return {"tensors": {str(name): _from_torch(tensor) for name, tensor in state.items()}, "remarks": remarks}


def _plain_values() -> list:
    """What training scripts pickle beside the tensors and runs no code: scalars of NumPy and their arguments."""
    scalar = np._core.multiarray.scalar
    dtypes = [type(np.dtype(kind)) for kind in "?ilfd"]
    return [argparse.Namespace, np.dtype, *dtypes, scalar, (scalar, "numpy.core.multiarray.scalar")]


def _unsafe_or_damaged(path: Path, error: Exception) -> str:
    asked = re.search(r"GLOBAL (\S+)", str(error))
    if asked:
        return f"{path} wants to run code when it is opened ({asked[1]}), so it was not; {SAVE_TENSORS}"
    return f"{path} is truncated or damaged: {_reason(error)}; fetch the file again"


def _read_safetensors(path: Path) -> dict:
    safetensors = wanted_package("safetensors", path)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            text = (file.metadata() or {}).get(CARD_KEY)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path} is truncated or damaged: {_reason(error)}; fetch the file again") from error
    return {"tensors": tensors, "card": WeightsCard.from_json(text) if text else None}


def _state_dict(content: object, path: Path) -> tuple[Mapping, tuple[str, ...]]:
    """The tensors of a checkpoint, which may lie under a key, and what is to say of other such keys."""
    import torch

    if isinstance(content, Mapping):
        if content and all(isinstance(value, torch.Tensor) for value in content.values()):
            return content, ()
        tables = [key for key in WRAPPERS if isinstance(content.get(key), Mapping)]
        if tables:
            state, remarks = _state_dict(content[tables[0]], path)
            left = ", ".join(f"'{key}'" for key in tables[1:])
            return state, (*remarks, *([f"read from '{tables[0]}', not from {left}"] if left else []))
        tensors = {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}
        if tensors:
            return tensors, (f"left alone, no tensors: {', '.join(map(repr, content.keys() - tensors.keys()))}",)
    raise UserError(
        f"{path} holds no table of tensors, at the top or under {WRAPPERS[0]}, {WRAPPERS[1]}, ...; {SAVE_TENSORS}"
    )


def _from_torch(tensor) -> np.ndarray:
    tensor = tensor.detach()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def wanted_package(name: str, path: Path) -> ModuleType:
    """A package that not every installation has. Raises UserError that says how to get it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(f"{path} can only be read with {name}: pip install 'tljax[convert]'") from error


def _reason(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
