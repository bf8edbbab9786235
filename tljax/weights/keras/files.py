"""Reads the HDF5 files of Keras 1, 2 and 3 and the zip archives of Keras 3 into one naming: 'layer/weight'.

In a nested model it is 'model/layer/weight'.
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
NO_LAYERS = ("optimizer", "metrics")  # groups of slots and of counts
VARS = {  # Keras 3 numbers the weights of a layer; by their count
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
    inputs: tuple[str, ...]  # the layers whose outputs it takes
    calls: list = field(default_factory=list)  # as described, with all arguments; one, unless the layer is shared


def read_hdf5(path: Path) -> dict:
    """Returns the fields of a Source. Raises UserError if layers have no names, or h5py's errors if it is damaged."""
    with h5py.File(path) as opened:
        file: Any = opened  # h5py's own annotations do not state what is under a name
        saved_model = "model_weights" in file
        config = json.loads(file.attrs["model_config"]) if "model_config" in file.attrs else {}
        group = file["model_weights"] if saved_model else file
        tensors, layers = _tensors(group, path), _layers(group)
    return {"tensors": tensors, "saved_model": saved_model, "models": tuple(models(config)), "layers": layers}


def read_archive(path: Path) -> dict:
    """Returns the same for a `.keras` archive; its members are read, never unpacked or run."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            tensors = _tensors(file, path, dict(_places(config)))
    return {"tensors": tensors, "models": tuple(models(config))}


def _tensors(group: Any, path: Path, places: Mapping[str, str] = MappingProxyType({})) -> dict[str, np.ndarray]:
    """Returns the tensors by name. places: a layer's group -> its name, if the file's description states it."""
    tensors = {}
    for dataset in _datasets(group):
        name = _numbered_name(dataset, path, places) if "/vars/" in dataset.name else _written_name(dataset, group)
        tensors[dataset.name if name in tensors else name] = np.asarray(dataset[()])
    return tensors


def _layers(group: Any) -> tuple[str, ...]:
    """Returns all layers in order, as Keras 1 and 2 list them; for Keras 3, which has no order, those without tensors.

    Keras 3 writes no group for an operation.
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
    """Keras 1 and 2: '/conv1/conv1_W_1:0', '/conv1_conv/conv1_conv/kernel:0' or '/resnet50/conv1_conv/kernel:0', each
    below `group`.
    """
    *places, leaf = SLASHED.sub(r"conv1_\1", dataset.name.removeprefix(group.name).strip("/")).split("/")
    layer = places.pop() if places else ""
    leaf = re.sub(r":\d+$", "", leaf).removeprefix(f"{layer}_")
    leaf = re.sub(r"_\d+$", "", leaf)
    models = [] if layer in places else places
    return "/".join([*models, layer, KERAS_1.get(leaf, leaf)])


def _places(description: Mapping, group: str = "") -> Iterator[tuple[str, str]]:
    """Returns the group of each layer of a `.keras` archive, and its name. Layers of a class are numbered in order."""
    counts = Counter()
    for entry in (description.get("config") or {}).get("layers", ()):
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", entry["class_name"])).lower()
        place = f"{group}/layers/{kind}" + (f"_{counts[kind]}" if counts[kind] else "")
        counts[kind] += 1
        yield place, entry["config"]["name"]
        yield from _places(entry, place)


def _numbered_name(dataset: Any, path: Path, places: Mapping[str, str]) -> str:
    """Keras 3: '/layers/conv2d_1/vars/0' or '/layers/functional/layers/conv2d_1/vars/0', where the group `vars` knows
    the layer's name, or else the description.
    """
    layer = dataset.parent.attrs.get("name") or places.get(dataset.name.rpartition("/vars/")[0])
    if layer is None:
        raise UserError(
            f"{path} was written by a Keras that left out the layers' names (TensorFlow 2.12 to 2.15, early Keras 3); "
            "load it into its model there and save it with model.save('weights.h5')"
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
    """Yields the layers of a call's arguments."""
    layer = tensor_of(call)
    if layer is not None:
        yield layer
        return
    for value in values(call):
        yield from _tensors_in(value)


def tensor_of(argument: Any) -> str | None:
    """Returns the layer of a call's argument, which is [layer, node, tensor] and, in Keras 2, further arguments."""
    is_tensor = isinstance(argument, list) and len(argument) >= 3 and isinstance(argument[0], str)
    return argument[0] if is_tensor and isinstance(argument[1], int) else None


def values(node: object) -> list:
    return list(node.values()) if isinstance(node, Mapping) else node if isinstance(node, list) else []
