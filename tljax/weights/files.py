"""Reads weights files, whose type is recognised by their content and not by their name. Never runs code of a file."""

import codecs
import hashlib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tljax.core.errors import UserError
from tljax.weights.card import WeightsCard
from tljax.weights.keras.files import Layer, read_archive, read_hdf5
from tljax.weights.names import Layout, some
from tljax.weights.pickles import SAVE_ARRAYS
from tljax.weights.shards import read_shards, shards_of
from tljax.weights.torch_files import SAVE_TENSORS, read_safetensors, read_torch, reason_of

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
        raise UserError(f"{path} is truncated or damaged ({reason_of(error)}); download the file again") from error
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
        return "torch", read_safetensors
    if start.startswith(b"PK\x03\x04"):
        return _recognise_zip(path)
    if start.startswith(PICKLES) and any(name in start for name in NUMPY_PICKLE):
        raise UserError(
            f"{path} is a pickle of NumPy arrays, which was not opened because it could run code; {SAVE_ARRAYS}"
        )
    if start.startswith(PICKLES):
        return "torch", read_torch
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
            return "torch", read_torch
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


def _sha256(paths: list[Path]) -> str:
    """Returns the hash of a file's bytes; for several files, the hash of all their hashes."""
    hashes = []
    for path in paths:
        with path.open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
