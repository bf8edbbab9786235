"""Every PyTorch format of ResNets converts exactly: the same tensors, and the activations of the original network."""

import argparse

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from weight_files import (
    SMALL,
    assert_same_outputs,
    assert_same_tensors,
    in_format,
    random_tensors,
    to_torch,
    write_safetensors,
    write_torch,
)

from tljax.models.normalisation import NORMALISATIONS
from tljax.models.resnet import ARCHITECTURES, VARIANTS
from tljax.weights import convert, verify
from tljax.weights.formats import formats
from tljax.weights.resnet import reference_torch

IMAGES = verify.images(NORMALISATIONS["imagenet"])
pytestmark = pytest.mark.usefixtures("small")
KERAS_PORTS = {"keras-port": "keras_v1", "radimagenet-port": "keras_v1"}  # PyTorch formats of that variant


@pytest.fixture(scope="module")
def tensors():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "small", SMALL)
        return {variant: random_tensors("small", variant) for variant in VARIANTS}


def pytorch_outputs(tensors, variant, biases):
    kind = VARIANTS[variant]
    network = reference_torch.ResNet(
        SMALL.blocks, SMALL.width, 3, stride_in_first=kind.stride_in_first, biases=biases, epsilon=kind.epsilon
    )
    names = "keras-port" if biases else "torchvision"
    network.load_state_dict(to_torch(in_format(tensors, names)), strict=False)
    return reference_torch.outputs(network, IMAGES)


def plain(path, state):
    return write_torch(path, state)


def under(key):
    def write(path, state):
        torch.save({key: to_torch(state), "epoch": 3, "optimizer": {"lr": 0.1}}, path)
        return path

    return write


def prefixed(prefix, extra=()):
    def write(path, state):
        more = {name: np.ones(3, np.float32) for name in extra}
        torch.save({"state_dict": to_torch({prefix + name: value for name, value in state.items()} | more)}, path)
        return path

    return write


def trained(path, state):
    """Returns the content of a file of a training script: averaged weights, and facts next to the tensors."""
    known = {"args": argparse.Namespace(lr=0.1), "best": np.float64(0.9), "epoch": 3, "optimizer": {"state": {}}}
    averaged = {name: torch.zeros(3) for name in state}
    torch.save({"state_dict": to_torch(state), "state_dict_ema": averaged, **known}, path)
    return path


def self_supervised(path, state):
    """Returns the content of a file of DINO or Barlow Twins: two backbones, each with the heads of its training."""
    state = {f"backbone.{name}": value for name, value in to_torch(state).items() if not name.startswith("fc.")}
    state |= {"head.mlp.0.weight": torch.ones(2, 2), "head.mlp.0.bias": torch.ones(2), "bn.running_mean": torch.ones(2)}
    torch.save({"student": {f"module.{name}": value * 2 for name, value in state.items()}, "teacher": state}, path)
    return path


def lightly_byol(path, state):
    """Returns the content of a file of Lightly's examples: each part, and its average under the part's name."""
    parts = {"backbone.": state, "backbone_momentum.": {name: value * 2 for name, value in state.items()}}
    state = {part + name: value for part, members in parts.items() for name, value in members.items()}
    state |= {"projection_head_momentum.layers.0.weight": np.ones((2, 2), np.float32)}
    torch.save({"state_dict": to_torch(state), "pytorch-lightning_version": "2.6.6"}, path)
    return path


TORCH_FILES = {
    "torchvision": ("torchvision", plain),
    "state_dict": ("torchvision", under("state_dict")),
    "model": ("torchvision", under("model")),
    "a key of any name": ("torchvision", under("net_weights")),
    "averaged": ("torchvision", prefixed("module.", ("n_averaged",))),
    "module": ("torchvision", prefixed("module.")),
    "timm": ("torchvision", write_safetensors),
    "moco": (
        "torchvision",
        prefixed("module.encoder_q.", ("module.encoder_k.conv1.weight", "module.encoder_k.fc.0.bias", "module.queue")),
    ),
    "trained": ("torchvision", trained),
    "self-supervised": ("torchvision", self_supervised),
    "numbered": ("torchvision-numbered", plain),
    "lightly's byol": ("torchvision-numbered", lightly_byol),
    "huggingface": ("huggingface", write_safetensors),
    "huggingface-backbone": ("huggingface-backbone", write_safetensors),
    "radimagenet-torch": ("radimagenet-torch", plain),
    "keras-port": ("keras-port", plain),
    "radimagenet-port": ("radimagenet-port", plain),
}


@pytest.mark.parametrize("kind", TORCH_FILES)
def test_pytorch_files_convert_exactly(kind, tmp_path, tensors):
    name, write = TORCH_FILES[kind]
    form = formats()[name]
    variant = KERAS_PORTS.get(name, "torch_v1.5")
    expected = tensors[variant]
    conversion = convert(write(tmp_path / "weights", in_format(expected, name)))
    assert (conversion.card.format, conversion.card.backbone, conversion.card.variant) == (name, "small", variant)
    assert conversion.card.normalisation == NORMALISATIONS[form.normalisation]
    assert_same_tensors(conversion, expected)
    assert_same_outputs(conversion, pytorch_outputs(expected, variant, variant == "keras_v1"), IMAGES)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("write", [torch.save, save_file])
def test_other_precisions_convert_exactly(write, dtype, tmp_path, tensors):
    state = {name: value.to(dtype) for name, value in to_torch(in_format(tensors["torch_v1.5"], "torchvision")).items()}
    write(state, tmp_path / "w")
    for name, tensor in convert(tmp_path / "w").tensors.items():
        expected = torch.from_numpy(tensors["torch_v1.5"][name]).to(dtype).float().numpy()
        np.testing.assert_array_equal(tensor, expected, err_msg=name)


@pytest.mark.parametrize(("name", "variant"), [("torchvision", "keras_v1"), ("keras-port", "torch_v1.5")])
def test_another_variant_can_be_requested(name, variant, tmp_path, tensors):
    """The strides are those of the variant; missing biases become zero, and others are moved into the means."""
    own = KERAS_PORTS.get(name, "torch_v1.5")
    expected = tensors[own]
    conversion = convert(write_torch(tmp_path / "weights.pth", in_format(expected, name)), variant=variant)
    assert conversion.card.variant == variant
    assert_same_outputs(conversion, pytorch_outputs(expected, variant, biases=own == "keras_v1"), IMAGES)


def test_a_head_of_1000_outputs_has_imagenets_classes(tmp_path):
    state = in_format(random_tensors("small", "torch_v1.5", 1000), "torchvision")
    card = convert(write_torch(tmp_path / "w.pth", state)).card
    classes = card.classes
    assert len(set(classes)) == 1000
    assert (classes[0], classes[281], classes[999]) == ("tench", "tabby", "toilet tissue")
    assert "1000 outputs are assumed to be ImageNet's classes" in card.note
    own = {name.replace("fc.", "classifier."): value for name, value in state.items()}
    card = convert(write_torch(tmp_path / "own.pth", own)).card
    assert card.classes[:2] == ("class 0", "class 1") and "does not name its classes" in card.note
