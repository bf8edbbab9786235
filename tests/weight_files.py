"""Random weights with statistics that matter, and files of every format written from them."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
import pytest
import torch
from flax import nnx
from safetensors.torch import save_file

from tljax import models
from tljax.core.errors import UserError
from tljax.models import inception_v3
from tljax.models.resnet import Architecture
from tljax.weights import Conversion, convert, export, verify
from tljax.weights.formats import formats

SMALL = Architecture((2, 1, 1, 1), 8)  # every kind of block: with and without a projection
BASIC = Architecture((2, 1, 1, 1), 8, bottleneck=False)
TEN = Architecture((1, 1, 1, 1), 64, bottleneck=False)
NARROW = inception_v3.Architecture(divisor=16)  # all of the depth, few channels
SAMPLES = 500  # values of a layer in a golden file


def sample(values: np.ndarray) -> np.ndarray:
    """At most about SAMPLES evenly spaced values, as golden files keep them."""
    return values.ravel()[:: max(1, values.size // SAMPLES)]


def random_tensors(backbone: str, variant: str, num_classes: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """By our names. No tensor is trivial: no zero bias, no unit variance, no equal channels."""
    rng = np.random.default_rng(seed)

    def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
        leaf = name.rpartition(".")[2]
        if leaf == "kernel":
            return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        return rng.uniform(0.5, 1.5, shape) if leaf in ("scale", "var") else rng.normal(0, 0.3, shape)

    shapes = models.shapes(backbone, variant, num_classes)
    return {name: draw(name, shapes[name]).astype(np.float32) for name in sorted(shapes)}


def in_format(
    tensors: dict[str, np.ndarray], format_name: str, backbone: str = "small", variant: str | None = None
) -> dict[str, np.ndarray]:
    """The tensors that such a file would hold, by its names and in its layout.

    variant: whose names the file has; None: of a ResNet, by the biases among the tensors.
    """
    form = formats()[format_name]
    variant = variant or ("keras_v1" if "conv1.bias" in tensors else "torch_v1.5")
    body = {ours: tensor for ours, tensor in tensors.items() if not (form.bare and ours.startswith("head."))}
    return export.in_format(body, backbone, variant, form)


def counters(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The further tensors of PyTorch's BatchNorm."""
    suffix = "running_mean"
    return {n.removesuffix(suffix) + "num_batches_tracked": np.array(7) for n in state if n.endswith(suffix)}


def to_torch(state: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(tensor) for name, tensor in state.items()}


def write_torch(path: Path, state: dict[str, np.ndarray]) -> Path:
    torch.save(to_torch(state | counters(state)), path)
    return path


def write_safetensors(path: Path, state: dict[str, np.ndarray]) -> Path:
    save_file(to_torch(state), path)
    return path


def write_hdf5(path: Path, state: dict[str, np.ndarray], template: str, group: str = "", mode: str = "w") -> Path:
    """The legacy layouts of Keras: `template` places 'layer/leaf', as '{layer}/{layer}/{leaf}:0' does."""
    with h5py.File(path, mode) as file:
        root = file.require_group(group) if group else file
        for name, tensor in state.items():
            layer, leaf = name.split("/")
            root.create_dataset(template.format(layer=layer, leaf=leaf), data=tensor)
    return path


@cache
def _forward(backbone: str, variant: str, num_classes: int) -> Callable:
    model = nnx.eval_shape(lambda: models.build(backbone, variant, num_classes))
    model.eval()
    graph = nnx.graphdef(model)
    return jax.jit(lambda state, x: nnx.merge(graph, state)(x), compiler_options=verify.RUN_ONCE)


def outputs(tensors: dict[str, np.ndarray], backbone: str, variant: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """Activations and logits of our network in eval mode; compiled once a variant. A missing head is all zeros."""
    model = models.build_from(backbone, variant, verify.with_head(tensors, backbone, variant))
    model.eval()
    found = _forward(backbone, variant, model.head.bias.shape[0])(nnx.state(model), x)
    logits = {"logits": np.asarray(found.logits)} if "head.bias" in tensors else {}
    return {name: np.asarray(found.activations[name]) for name in model.named_layers} | logits


def refusal(path: Path, **options: Any) -> str:
    """The message with which a file is refused."""
    with pytest.raises(UserError) as caught:
        convert(path, **options)
    return str(caught.value)


def assert_same_tensors(conversion: Conversion, tensors: dict[str, np.ndarray]) -> None:
    """Every converted tensor equals the given one; only those of the head may be left out."""
    for name, tensor in conversion.tensors.items():
        np.testing.assert_array_equal(tensor, tensors[name], err_msg=name)
    assert set(tensors) - set(conversion.tensors) <= {"head.kernel", "head.bias"}


def assert_same_outputs(conversion: Conversion, theirs: dict[str, np.ndarray], images: np.ndarray) -> None:
    """The converted small ResNet gives the outputs of the original network."""
    ours = outputs(conversion.tensors, "small", conversion.card.variant, images)
    found = verify.differences(ours, {layer: theirs[layer] for layer in ours})
    assert {"conv1", "block1", "block2", "block3", "block4"} <= found.keys()
    assert max(found.values()) < 1e-4, found


class Malicious:
    """An object whose pickle makes a folder when it is opened."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.trace),)
