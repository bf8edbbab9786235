"""Files of DenseNets: recognised, converted exactly, refused by name, compared with the library's own network."""

import dataclasses
import re
from pathlib import Path

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from goldens import golden_file, sources
from weight_cards import CARD
from weight_files import in_format, random_tensors, write_hdf5, write_safetensors, write_torch

from tljax import models
from tljax.core.errors import UserError
from tljax.models.normalisation import NORMALISATIONS
from tljax.weights import convert, reference, save, verify
from tljax.weights.audit import audit
from tljax.weights.export import export
from tljax.weights.networks import Network

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "densenets.npz")
SOURCES = sources(GOLDEN)
TINY = "densenet_tiny"
KERAS_2 = "{layer}/{layer}/{leaf}:0"


def state(form: str, variant: str) -> dict[str, np.ndarray]:
    return in_format(random_tensors(TINY, variant), form, TINY, variant)


def assert_converts(path: Path, form: str, variant: str, *, has_head: bool):
    """Converts a file, checks that every tensor is that of the tests, and returns the conversion."""
    found = convert(path)
    assert (found.card.format, found.card.backbone, found.card.variant) == (form, TINY, variant)
    for name, tensor in random_tensors(TINY, variant).items():
        if has_head or not name.startswith("head."):
            np.testing.assert_array_equal(found.tensors[name], tensor, err_msg=name)
    assert ("head.kernel" in found.tensors) == has_head == (found.card.classes is not None)
    return found


@pytest.mark.parametrize(
    ("form", "variant", "given"),
    [("torchvision-densenet", "torch", "imagenet"), ("torchxrayvision", "torch_grey", "grey")],
)
def test_monais_names_are_read(form, variant, given, tmp_path):
    file = {}
    for name, tensor in state(form, variant).items():
        own = re.sub(r"(denselayer\d+)\.", r"\1.layers.", name).replace("classifier", "class_layers.out")
        file[own] = tensor
    found = convert(write_torch(tmp_path / "w.pt", file))
    assert (found.card.format, found.card.variant, len(found.card.classes)) == (form, variant, 3)
    assert found.card.normalisation == NORMALISATIONS[given]
    for name, tensor in random_tensors(TINY, variant).items():
        np.testing.assert_array_equal(found.tensors[name], tensor)


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_of_each_source_is_read_by_its_own_names(source, tmp_path):
    name, form, variant = source.split("|")
    file = golden_file(GOLDEN, source, positive=True)
    if name == "Keras":
        path = write_hdf5(tmp_path / "file.h5", file, KERAS_2)
    else:
        path = write_safetensors(tmp_path / "file.safetensors", file)
    card = convert(path).card
    assert (card.format, card.backbone, card.variant) == (form, TINY, variant)


@pytest.mark.parametrize(
    ("form", "variant", "normalisation", "has_head"),
    [
        ("torchvision-densenet", "torch", "imagenet", True),
        ("radimagenet-densenet-torch", "torch_no_relu", "radimagenet_torch", False),
        ("torchxrayvision", "torch_grey", "xrv", False),
    ],
)
def test_tensors_of_pytorch_files_are_converted_exactly(form, variant, normalisation, has_head, tmp_path):
    found = assert_converts(write_torch(tmp_path / "w.pth", state(form, variant)), form, variant, has_head=has_head)
    assert found.card.normalisation == NORMALISATIONS[normalisation]


@pytest.mark.parametrize("named", ["conv1_conv", "conv1/conv"])
@pytest.mark.parametrize("is_model", [False, True])
def test_tensors_of_keras_files_are_converted_exactly(named, is_model, tmp_path):
    """Before Keras 3 the first layers were called 'conv1/conv' and 'conv1/bn'."""
    file = state("keras-densenet", "keras")
    layers = {name: name.split("/")[0].replace("conv1_", named.removesuffix("conv"), 1) for name in file}
    path = tmp_path / "w.h5"
    for name, layer in layers.items():
        template = KERAS_2.replace("{layer}", layer)
        write_hdf5(path, {name: file[name]}, template, "model_weights" * is_model, mode="a")
    found = assert_converts(path, "keras-densenet", "keras", has_head=True)
    assert found.card.normalisation == NORMALISATIONS["imagenet"]


def test_a_whole_keras_model_without_head_is_read_as_radimagenet(tmp_path):
    file = {name: value for name, value in state("keras-densenet", "keras").items() if "predictions" not in name}
    path = write_hdf5(tmp_path / "w.h5", file, KERAS_2, group="model_weights")
    found = assert_converts(path, "radimagenet-densenet", "keras", has_head=False)
    assert found.card.normalisation == NORMALISATIONS["radimagenet"]
    assert "--normalisation imagenet" in found.card.note
    behind = write_hdf5(tmp_path / "behind.h5", file, "densenet/{layer}/{leaf}:0", group="model_weights")
    assert convert(behind).card.format == "radimagenet-densenet"


def test_resnet_preprocessing_before_a_densenet_is_refused(tmp_path):
    """A DenseNet has another input than Keras' ResNet50."""
    path = write_hdf5(tmp_path / "w.h5", state("keras-densenet", "keras"), KERAS_2)
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["images", "tf.__operators__.getitem", "tf.nn.bias_add", "conv1/conv"]
    with pytest.raises(UserError, match=r"change the pixels .*'tf.__operators__.getitem', 'tf.nn.bias_add'"):
        convert(path)


@pytest.mark.parametrize(
    ("form", "variant", "tensor"),
    [
        ("torchvision-densenet", "torch", "features.denseblock2.denselayer1.conv2.weight"),
        ("keras-densenet", "keras", "pool3_bn/beta"),
    ],
)
def test_a_missing_an_extra_and_a_misshapen_tensor_are_named(form, variant, tensor, tmp_path):
    def write(name: str, file: dict) -> Path:
        path = tmp_path / name
        return write_hdf5(path, file, KERAS_2) if variant == "keras" else write_safetensors(path, file)

    file = state(form, variant)
    held = file.pop(tensor)
    with pytest.raises(UserError, match=f"lacks '{re.escape(tensor)}'"):
        convert(write("missing", file))
    extra = tensor.replace("denselayer1.conv2", "denselayer1.conv3").replace("pool3", "pool9")
    with pytest.raises(UserError, match=f"no place in the network: '{re.escape(extra)}'"):
        convert(write("extra", file | {tensor: held, extra: held.copy()}))
    with pytest.raises(UserError, match=rf"'{re.escape(tensor)}' .* has shape .*; densenet_tiny .* has "):
        convert(write("misshapen", file | {tensor: np.concatenate([held, held])}))


@pytest.mark.parametrize(("form", "variant"), [("torchvision-densenet", "torch"), ("keras-densenet", "keras")])
def test_a_densenet_and_a_resnet_are_not_mistaken_for_each_other(form, variant, tmp_path):
    write = write_torch if variant == "torch" else lambda path, file: write_hdf5(path, file, KERAS_2)
    with pytest.raises(UserError, match=r"holds a densenet_tiny .*, not a resnet50"):
        convert(write(tmp_path / "densenet", state(form, variant)), backbone="resnet50")
    other = form.removesuffix("-densenet")
    resnet = "keras_v1" if variant == "keras" else "torch_v1.5"
    file = in_format(random_tensors("resnet_tiny", resnet), other, "resnet_tiny", resnet)
    with pytest.raises(UserError, match=r"holds a resnet_tiny .*, not a densenet121"):
        convert(write(tmp_path / "resnet", file), backbone="densenet121")


@pytest.mark.parametrize(("form", "variant"), [("torchvision-densenet", "torch"), ("keras-densenet", "keras")])
def test_an_unknown_densenet_is_described(form, variant, tmp_path):
    file = state(form, variant)
    more = {
        name.replace("denselayer1", "denselayer2").replace("conv5_block1", "conv5_block2"): value
        for name, value in file.items()
        if "denseblock4" in name or "conv5_" in name
    }
    path = tmp_path / "w"
    path = write_torch(path, file | more) if variant == "torch" else write_hdf5(path, file | more, KERAS_2)
    with pytest.raises(UserError, match=r"a DenseNet of \(2, 1, 1, 2\) dense layers and growth 8, .*densenet121"):
        convert(path)


def test_a_stem_of_several_convolutions_is_refused(tmp_path):
    file = state("torchvision-densenet", "torch") | {"features.conv1.weight": np.ones((16, 16, 3, 3), np.float32)}
    with pytest.raises(UserError, match="stem has several convolutions"):
        convert(write_torch(tmp_path / "w.pth", file))


def test_an_input_with_another_number_of_channels_is_refused(tmp_path):
    path = write_torch(tmp_path / "w.pth", state("torchxrayvision", "torch_grey"))
    with pytest.raises(UserError, match=r"--normalisation imagenet gives 3 channels; the network in .* takes 1"):
        convert(path, normalisation="imagenet")


@pytest.mark.parametrize("variant", ["torch", "torch_no_relu", "torch_grey", "keras"])
def test_a_network_is_exported_with_its_head_and_read_again(variant, tmp_path):
    form = {"torch_grey": "torchxrayvision", "keras": "keras-densenet"}.get(variant, "torchvision-densenet")
    path = tmp_path / "file"
    file = state(form, variant)
    path = write_hdf5(path, file, KERAS_2) if variant == "keras" else write_torch(path, file)
    found = convert(path, variant=variant)
    tensors = random_tensors(TINY, variant)  # with the head of a fine-tuned network
    card = found.card.__class__(**vars(found.card) | {"classes": ("a", "b", "c")})
    save(tmp_path / "weights", tensors, card)
    notes = export(tmp_path / "weights", tmp_path / "back.safetensors", "safetensors")
    told = {
        "torch": "loads the file unchanged",
        "torch_no_relu": "no ReLU",
        "torch_grey": "1 channel",
        "keras": "1.001e-05",
    }
    assert told[variant] in notes[0]
    again = convert(tmp_path / "back.safetensors")
    assert (again.card.variant, again.card.classes) == (variant, ("a", "b", "c"))
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(again.tensors[name], tensor)


def test_a_conversion_is_compared_with_torchvisions_network(tmp_path):
    reference.declare_torchvision_operators()
    pytest.importorskip("torchvision")
    path = write_torch(tmp_path / "w.pth", state("torchvision-densenet", "torch"))
    conversion = convert(path)
    title, theirs = verify.original_outputs(path, conversion)
    found = verify.differences(verify.our_outputs(conversion), theirs)
    assert title == "torchvision.models.densenet_tiny"
    assert found.keys() == {"conv1", "block1", "block2", "block3", "block4", "logits"}
    assert max(found.values()) < 1e-5, found


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    path = write_torch(tmp_path / "w.pth", state("torchvision-densenet", "torch"))
    monkeypatch.setattr(reference.importlib.util, "find_spec", lambda name: None if name == "torchvision" else object())
    with pytest.raises(UserError, match="pip install torchvision, or leave out --verify"):
        verify.original_outputs(path, convert(path))


@pytest.mark.parametrize("name", ["xrv", "grey"])
def test_the_audit_finds_the_input_of_a_one_channel_network(name):
    """The running statistics are those of the images of the audit."""
    model = models.build(TINY, "torch_grey", 2, dropout=0.0)
    for _, module in nnx.iter_modules(model):
        if hasattr(module, "momentum"):
            module.momentum = 0.0
    pictures = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1)).repeat(4, 1).repeat(4, 2).repeat(3, 3)
    x = NORMALISATIONS[name](jnp.asarray(pictures, jnp.float32))
    nnx.jit(lambda model, x: model.features(x)[0])(model, x)
    card = dataclasses.replace(CARD, normalisation=NORMALISATIONS["xrv"])
    verdict = audit(Network("small", model, card), pictures.astype(np.uint8))
    assert name in verdict.candidates[0].names, str(verdict)
