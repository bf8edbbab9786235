"""Reads the HDF5 files of Keras 1, 2 and 3 and the zip archives of Keras 3, with one naming scheme: 'layer/weight'.

In a nested model the name is 'model/layer/weight'.
"""

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np

from tljax.core.errors import UserError

KERAS_1 = {"W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance"}
SLASHED = re.compile(r"(?<![^/])conv1/(conv|bn|relu)(?![^/])")  # in DenseNets before Keras 3, which has 'conv1_conv'
NO_LAYERS = ("optimizer", "metrics")  # groups of an HDF5 file that hold no layers
VARS = {  # Keras 3 numbers the weights of a layer: the number of weights -> their names in order
    1: ("kernel",),
    2: ("kernel", "bias"),
    3: ("beta", "moving_mean", "moving_variance"),
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
}


@dataclass(frozen=True)
class Layer:
    """A layer, as the model's description states it."""

    kind: str  # its class
    config: Mapping
    inputs: tuple[str, ...]  # the layers whose outputs are its inputs
    calls: list = field(default_factory=list)  # as described, with all arguments; only the first, if it is shared


def read_hdf5(path: Path) -> dict:
    """Returns the fields of a Source for an HDF5 file.

    Raises UserError if layers have no names, and errors of h5py if the file is damaged.
    """
    with h5py.File(path) as opened:
        file: Any = opened  # h5py's own annotations do not state what is under a name
        saved_model = "model_weights" in file
        config = json.loads(file.attrs["model_config"]) if "model_config" in file.attrs else {}
        group = file["model_weights"] if saved_model else file
        tensors, layers = _tensors(group, path), _layers(group)
    return {"tensors": tensors, "saved_model": saved_model, "models": tuple(models(config)), "layers": layers}


def read_archive(path: Path) -> dict:
    """Returns the fields of a Source for a `.keras` archive, whose members are read but never unpacked or run."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            tensors = _tensors(file, path, dict(_places(config)))
    return {"tensors": tensors, "models": tuple(models(config))}


def _tensors(group: Any, path: Path, places: Mapping[str, str] = MappingProxyType({})) -> dict[str, np.ndarray]:
    """Returns the tensors by name. places: a layer's group -> the layer's name, if the file's description states it."""
    tensors = {}
    for dataset in _datasets(group):
        name = _numbered_name(dataset, path, places) if "/vars/" in dataset.name else _written_name(dataset, group)
        tensors[dataset.name if name in tensors else name] = np.asarray(dataset[()])
    return tensors


def _layers(group: Any) -> tuple[str, ...]:
    """Returns the layers that a file lists.

    Keras 1 and 2 list all layers in order. Keras 3 keeps no order, so only its layers without tensors are returned;
    operations have no group there.
    """
    listed = [name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs.get("layer_names", ())]
    numbered = group["layers"].items() if isinstance(group.get("layers"), h5py.Group) else ()
    listed = [SLASHED.sub(r"conv1_\1", name) for name in listed]
    return (*listed, *(name for name, layer in numbered if not any(_datasets(layer))))


def _datasets(group: Any) -> Iterator[Any]:
    for name, member in group.items():
        if name not in NO_LAYERS:
            yield from [member] if isinstance(member, h5py.Dataset) else _datasets(member)


def _written_name(dataset: Any, group: Any) -> str:
    """Returns the name of a tensor in a file of Keras 1 or 2.

    There it is '/conv1/conv1_W_1:0', '/conv1_conv/conv1_conv/kernel:0' or '/resnet50/conv1_conv/kernel:0' below
    `group`.
    """
    *places, leaf = SLASHED.sub(r"conv1_\1", dataset.name.removeprefix(group.name).strip("/")).split("/")
    layer = places.pop() if places else ""
    leaf = re.sub(r":\d+$", "", leaf).removeprefix(f"{layer}_")
    leaf = re.sub(r"_\d+$", "", leaf)
    models = [] if layer in places else places
    return "/".join([*models, layer, KERAS_1.get(leaf, leaf)])


def _places(description: Mapping, group: str = "") -> Iterator[tuple[str, str]]:
    """Yields the group and the name of each layer of a `.keras` archive. Layers of one class are numbered in order."""
    counts = Counter()
    for entry in (description.get("config") or {}).get("layers", ()):
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", entry["class_name"])).lower()
        place = f"{group}/layers/{kind}" + (f"_{counts[kind]}" if counts[kind] else "")
        counts[kind] += 1
        yield place, entry["config"]["name"]
        yield from _places(entry, place)


def _numbered_name(dataset: Any, path: Path, places: Mapping[str, str]) -> str:
    """Returns the name of a tensor in a file of Keras 3.

    There it is '/layers/conv2d_1/vars/0' or '/layers/functional/layers/conv2d_1/vars/0'. The layer's name is an
    attribute of the group `vars`, or is in the description.
    """
    layer = dataset.parent.attrs.get("name") or places.get(dataset.name.rpartition("/vars/")[0])
    if layer is None:
        raise UserError(
            f"{path} was written by a version of Keras that leaves out the names of the layers (TensorFlow 2.12 to "
            "2.15, early Keras 3); load it into its model with that version and save it with model.save('weights.h5')"
        )
    leaves, number = VARS.get(len(dataset.parent), ()), int(dataset.name.rpartition("/")[2])
    models = [place for place in dataset.name.strip("/").split("/")[:-4] if place != "layers"]
    return "/".join([*models, layer, leaves[number]]) if number < len(leaves) else dataset.name


def models(description: object) -> Iterator[dict[str, Layer]]:
    """Yields the layers, in order, of the described model and of every nested model."""
    if isinstance(description, list) and all(isinstance(entry, Mapping) for entry in description):
        layers = [entry for entry in description if "class_name" in entry and "name" in (entry.get("config") or ())]
        if layers:
            yield {SLASHED.sub(r"conv1_\1", entry["config"]["name"]): _layer(entry) for entry in layers}
    for value in values(description):
        yield from models(value)


def _layer(entry: Mapping) -> Layer:
    calls = entry.get("inbound_nodes", [])[:1]
    inputs = (SLASHED.sub(r"conv1_\1", name) for name in _tensors_in(calls))
    return Layer(entry["class_name"], entry["config"], tuple(inputs), calls)


def _tensors_in(call: object) -> Iterator[str]:
    """Yields the layers whose outputs are arguments of a call."""
    layer = tensor_of(call)
    if layer is not None:
        yield layer
        return
    for value in values(call):
        yield from _tensors_in(value)


def tensor_of(argument: Any) -> str | None:
    """Returns the layer whose output a call's argument is; None for another argument.

    Such an argument is [layer, node, tensor], with further arguments in Keras 2.
    """
    is_tensor = isinstance(argument, list) and len(argument) >= 3 and isinstance(argument[0], str)
    return argument[0] if is_tensor and isinstance(argument[1], int) else None


def values(node: object) -> list:
    return list(node.values()) if isinstance(node, Mapping) else node if isinstance(node, list) else []
