"""Reads weights files, whose type is recognised by their content and not by their name. Never runs code of a file."""

import argparse
import codecs
import hashlib
import importlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from tljax.core.errors import UserError
from tljax.weights.card import WeightsCard
from tljax.weights.keras.files import Layer, read_archive, read_hdf5
from tljax.weights.names import Layout, some
from tljax.weights.shards import read_shards, shards_of
from tljax.weights.whole_model import SAVE_ARRAYS, is_known, read_with_objects

WRAPPERS = (  # keys under which a file may hold the tensors; the first one found is read
    *("state_dict", "model", "model_state_dict", "model_state", "params", "net", "network", "backbone", "encoder"),
    *("teacher", "student", "state_dict_ema", "model_ema", "params_ema", "ema", "classy_state_dict", "base_model"),
    "trunk",
)

SAVE_TENSORS = "save only its tensors with the program that made it: torch.save(model.state_dict(), 'weights.pth')"

NUMPY_PICKLE = (b"numpy.core.multiarray", b"numpy._core.multiarray", b"numpy.core.numeric", b"numpy._core.numeric")

NO_WEIGHTS = {  # the first bytes of a file -> what it is and what to do
    (b"version https://git-lfs",): "is a Git LFS pointer, not the weights; download them with: git lfs pull",
    (b"<!doctype", b"<html", b"<?xml"): "is a web page, not weights: the server sent an error page; "
    "download the file again",
    (b"{", b"["): "is a description in JSON, not weights; name the weights file next to it",
    (b"gguf",): "is a GGUF file of a language model; tljax converts networks for images",
    (b"\x93numpy",): f"is a single NumPy array, not tensors by name; {SAVE_ARRAYS}",
    (b"\x1f\x8b", b"bzh", b"\xfd7zxz", b"7z\xbc\xaf", b"rar!"): "is compressed; unpack it and name the file in it",
}

PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
START_BYTES = 4096
TEXT_SHOWN = 100  # characters of a text in a message

CARD_KEY = "tljax"  # key in the metadata of a safetensors file that tljax wrote


@dataclass(frozen=True)
class Source:
    """The content of a weights file."""

    path: Path
    layout: Layout
    tensors: dict[str, np.ndarray]  # torch: by dotted name; keras: by "layer/weight", for every layout of file
    sha256: str
    card: WeightsCard | None = None  # in a file that tljax wrote
    saved_model: bool = False  # HDF5: whether it is a whole Keras model, not only its weights
    models: tuple[Mapping[str, Layer], ...] = ()  # Keras' description, if any: the layers of each model by name
    layers: tuple[str, ...] = ()  # HDF5: the layers that the file lists, including those without tensors
    remarks: tuple[str, ...] = ()  # what a user should know about the file


def read(path: Path) -> Source:
    """Reads a PyTorch, safetensors or Keras file, or the index of a checkpoint in several files.

    Raises UserError that says what the file is, if it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name the weights file in it")
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    files = [path]
    try:
        if shards := _shards(path):
            files += shards
            layout, reader = _recognise(shards[0])
            fields = read_shards(shards, reader)
        else:
            layout, reader = _recognise(path)
            fields = reader(path)
    except UserError:
        raise
    except Exception as error:  # the libraries raise errors of any type for a damaged file
        raise UserError(f"{path} is truncated or damaged ({_reason(error)}); download the file again") from error
    return Source(path=path, layout=layout, sha256=_sha256(files), **fields)


def _shards(path: Path) -> list[Path] | None:
    try:
        with path.open("rb") as file:
            return shards_of(path) if file.read(64).lstrip().startswith(b"{") else None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def _recognise(path: Path) -> tuple[Layout, Callable[[Path], dict]]:
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if start[5:9] == b"\0\0\0{":  # the length of the JSON header, and its first character
        return "torch", _read_safetensors
    if start.startswith(b"PK\x03\x04"):
        return _recognise_zip(path)
    if start.startswith(PICKLES) and any(name in start for name in NUMPY_PICKLE):
        raise UserError(
            f"{path} is a pickle of NumPy arrays, which was not opened because it could run code; {SAVE_ARRAYS}"
        )
    if start.startswith(PICKLES):
        return "torch", _read_torch
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras", read_hdf5
    for starts, lesson in NO_WEIGHTS.items():
        if start.removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith(starts):
            raise UserError(f"{path} {lesson}")
    if not start:
        raise UserError(f"{path} is empty; download the file again")
    if not any(start):
        raise UserError(f"{path} begins with zeros alone: the download is incomplete; download the file again")
    if start[257:262] == b"ustar":
        raise UserError(f"{path} is a tar archive; unpack it and name the file in it")
    if start.isascii() and (text := start.decode("ascii").strip()).isprintable():
        raise UserError(f"{path} is a text, not weights: '{text[:TEXT_SHOWN]}'; download the file again")
    raise UserError(
        f"{path} has no known format; known are PyTorch, safetensors and Keras files (.h5, .keras). Save other "
        "TensorFlow files as Keras files first"
    )


def _recognise_zip(path: Path) -> tuple[Layout, Callable[[Path], dict]]:
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if any(member.endswith(("/constants.pkl", "/models/model.json")) for member in members):
            raise UserError(f"{path} is a TorchScript or exported program, which was not run; {SAVE_TENSORS}")
        if any(member.endswith("data.pkl") for member in members):
            broken = archive.testzip()  # PyTorch does not look at the checksums
            if broken:
                raise UserError(f"{path} is damaged: the checksum of its '{broken}' is wrong; download the file again")
            return "torch", _read_torch
    if members and all(member.endswith(".npy") for member in members):
        raise UserError(f"{path} is a NumPy archive (.npz) of {some(members)}; {SAVE_ARRAYS}")
    if {"config.json", "model.weights.h5"} <= set(members):
        return "keras", read_archive
    if "metadata.json" in members and {"config.json", "model.weights.h5"} & set(members):
        lacking = next(name for name in ("model.weights.h5", "config.json") if name not in members)
        raise UserError(
            f"{path} is a Keras file without its '{lacking}'; save the model again: model.save('file.keras')"
        )
    raise UserError(
        f"{path} is a zip archive of {some(members)}, not a weights file; unpack it and name the weights file in it"
    )


def _read_torch(path: Path) -> dict:
    torch = wanted_package("torch", path)
    try:
        with warnings.catch_warnings(action="ignore"):
            state, remarks = _loaded(torch, path)
    except pickle.UnpicklingError as error:
        asked = _asked(error)
        fact = f"would run code when it is opened ({asked})" if asked else "is damaged or holds more than tensors"
        raise UserError(f"{path} {fact}, so it was not opened; {SAVE_TENSORS}") from error
    tensors = {str(name): _array(str(name), path, partial(_from_torch, tensor)) for name, tensor in state.items()}
    return {"tensors": tensors, "remarks": remarks}


def _loaded(torch: ModuleType, path: Path) -> tuple[Mapping, tuple[str, ...]]:
    """Returns the tensors of a file, and remarks. Raises pickle.UnpicklingError if it holds executable code."""
    try:
        with torch.serialization.safe_globals(_plain_values()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not is_known(_asked(error) or ""):
            raise
        content, objects = read_with_objects(path)
        state, remarks = _state_dict(content, path)
        return state, (*objects, *remarks)
    return _state_dict(content, path)


def _asked(error: pickle.UnpicklingError) -> str | None:
    """Returns the class or function that a pickle needs but that is not allowed."""
    found = re.search(r"GLOBAL (\S+)", str(error))
    return found[1] if found else None


def _plain_values() -> list:
    """Returns harmless classes that training scripts pickle next to the tensors: NumPy scalars and argument lists."""
    scalar = importlib.import_module("numpy._core.multiarray").scalar
    dtypes = [type(np.dtype(kind)) for kind in "?ilfd"]
    return [argparse.Namespace, np.dtype, *dtypes, scalar, (scalar, "numpy.core.multiarray.scalar")]


def _read_safetensors(path: Path) -> dict:
    safetensors = wanted_package("safetensors", path)
    with safetensors.safe_open(path, framework="numpy") as file:
        tensors = {name: _array(name, path, partial(file.get_tensor, name)) for name in file.keys()}  # noqa: SIM118
        text = (file.metadata() or {}).get(CARD_KEY)
    return {"tensors": tensors, "card": WeightsCard.from_json(text) if text else None}


def _state_dict(content: object, path: Path) -> tuple[Mapping, tuple[str, ...]]:
    """Returns the tensors of a checkpoint, which may be under a key, and remarks on other keys."""
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__} instead of tensors by name; {SAVE_TENSORS}")
    if _is_table(content):
        return content, ()
    tables = [key for key in WRAPPERS if _holds_tensors(content.get(key))]
    if not tables:
        tables = [key for key, value in content.items() if _is_table(value)]
        if len(tables) > 1:
            raise UserError(f"{path} holds a network under each of {some(tables)}; save only the one that you want")
    if tables:
        state, remarks = _state_dict(content[tables[0]], path)
        left = ", ".join(f"'{key}'" for key in tables[1:])
        return state, (*remarks, *([f"read from '{tables[0]}', not from {left}"] if left else []))
    tensors = {key: value for key, value in content.items() if _is_tensor(value)}
    if not tensors:
        raise UserError(f"{path} holds no tensors by name, only {some(content) or 'nothing'}; {SAVE_TENSORS}")
    others = [key for key in content if key not in tensors]
    return tensors, (f"left out, because they are not tensors: {', '.join(map(repr, others))}",)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) and len(value) > 0 and all(_is_tensor(member) for member in value.values())


def _holds_tensors(value: object) -> bool:
    return _is_tensor(value) or (isinstance(value, Mapping) and any(map(_holds_tensors, value.values())))


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _array(name: str, path: Path, read: Callable[[], np.ndarray]) -> np.ndarray:
    try:
        return read()
    except (TypeError, AttributeError) as error:  # quantised, of 8 bits, sparse, or without values
        raise UserError(
            f"tensor '{name}' of {path} is not a plain array ({_reason(error)}); "
            "save the weights as float32 with the program that made them"
        ) from error


def _from_torch(tensor) -> np.ndarray:
    import torch

    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()


def wanted_package(name: str, path: Path) -> ModuleType:
    """Imports an optional package. Raises UserError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(f"{path} can only be read with {name}: pip install 'tljax[convert]'") from error


def _reason(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


def _sha256(paths: list[Path]) -> str:
    """Returns the hash of a file's bytes; for several files, the hash of all their hashes."""
    hashes = []
    for path in paths:
        with path.open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
