"""Every format of ResNets converts exactly: the same tensors, and the activations of the original network."""

import argparse
import io
import zipfile
from pathlib import Path

import h5py
import keras
import keras_network
import numpy as np
import pytest
import torch
from keras.src.legacy.saving import legacy_h5_format
from safetensors.torch import save_file
from weight_files import (
    SMALL,
    in_format,
    outputs,
    random_tensors,
    to_torch,
    write_hdf5,
    write_safetensors,
    write_torch,
)

from tljax.models.normalisation import NORMALISATIONS
from tljax.models.resnet import ARCHITECTURES, VARIANTS
from tljax.weights import convert, verify
from tljax.weights.formats import formats
from tljax.weights.formats.keras import LAYERS as KERAS_LAYERS
from tljax.weights.resnet import reference_torch
from tljax.weights.verify import differences

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras writing HDF5

GOLDEN = Path(__file__).parents[1] / "golden" / "keras_resnet50.npz"
IMAGES = verify.images(NORMALISATIONS["imagenet"])
LAYERS = ["conv1", "block1", "block2", "block3", "block4"]
KERAS_PORTS = {"keras-port": "keras_v1", "radimagenet-port": "keras_v1"}  # PyTorch formats of that variant
KERAS_2 = "{layer}/{layer}/{leaf}:0"
KERAS_1 = {"kernel": "W", "bias": "b", "moving_mean": "running_mean", "moving_variance": "running_std"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "small", SMALL)


@pytest.fixture(scope="module")
def tensors():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "small", SMALL)
        return {variant: random_tensors("small", variant) for variant in VARIANTS}


@pytest.fixture(scope="module")
def keras_outputs(tensors):
    """The outputs of the Keras network, with the current epsilon and with that before Keras 2.3."""
    found = {}
    with keras_network.loosened():
        for epsilon in (1.001e-5, 1e-3):
            network, probe = keras_network.build(SMALL, KERAS_LAYERS, 3, IMAGES.shape[1:], epsilon)
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(ARCHITECTURES, "small", SMALL)
                keras_network.fill(network, in_format(tensors["keras_v1"], "keras"))
            found[epsilon] = probe.predict(IMAGES, verbose=0)
    return found


def pytorch_outputs(tensors, variant, biases):
    kind = VARIANTS[variant]
    network = reference_torch.ResNet(
        SMALL.blocks, SMALL.width, 3, stride_in_first=kind.stride_in_first, biases=biases, epsilon=kind.epsilon
    )
    names = "keras-port" if biases else "torchvision"
    network.load_state_dict(to_torch(in_format(tensors, names)), strict=False)
    return reference_torch.outputs(network, IMAGES)


def assert_same_tensors(conversion, tensors):
    for name, tensor in conversion.tensors.items():
        np.testing.assert_array_equal(tensor, tensors[name], err_msg=name)
    assert set(tensors) - set(conversion.tensors) <= {"head.kernel", "head.bias"}


def assert_same_outputs(conversion, theirs):
    ours = outputs(conversion.tensors, "small", conversion.card.variant, IMAGES)
    found = differences(ours, {layer: theirs[layer] for layer in ours})
    assert set(LAYERS) <= found.keys()
    assert max(found.values()) < 1e-4, found


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
    assert_same_outputs(conversion, pytorch_outputs(expected, variant, variant == "keras_v1"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("write", [torch.save, save_file])
def test_other_precisions_convert_exactly(write, dtype, tmp_path, tensors):
    state = {name: value.to(dtype) for name, value in to_torch(in_format(tensors["torch_v1.5"], "torchvision")).items()}
    write(state, tmp_path / "w")
    for name, tensor in convert(tmp_path / "w").tensors.items():
        expected = torch.from_numpy(tensors["torch_v1.5"][name]).to(dtype).float().numpy()
        np.testing.assert_array_equal(tensor, expected, err_msg=name)


def keras_files(folder, network, names, state):
    """Yields a file of every layout with these names, written by Keras if it can."""
    with h5py.File(folder / "weights.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    keras.saving.save_model(network, folder / "model.h5")
    network.save(folder / "model.keras")
    network.save_weights(folder / "model.weights.h5")
    write_hdf5(folder / "keras2.h5", state, KERAS_2)
    write_hdf5(folder / "keras2_model.h5", state, KERAS_2, group="model_weights")


@pytest.mark.parametrize("top", [True, False])
def test_keras_files_convert_exactly(top, tmp_path, tensors, keras_outputs):
    names, expected = KERAS_LAYERS, tensors["keras_v1"]
    state = {name: value for name, value in in_format(expected, "keras").items() if top or "predictions" not in name}
    with keras_network.loosened():
        network, _ = keras_network.build(SMALL, names, 3 if top else 0, IMAGES.shape[1:])
        keras_network.fill(network, state)
        keras_files(tmp_path, network, names, state)
    for path in sorted(tmp_path.iterdir()):
        conversion = convert(path)
        whole_without_head = not top and path.name in ("model.h5", "keras2_model.h5")
        wanted = "radimagenet" if whole_without_head else "keras"
        assert (conversion.card.format, conversion.card.variant) == (wanted, "keras_v1"), path.name
        assert conversion.card.normalisation == NORMALISATIONS[formats()[wanted].normalisation]
        assert (conversion.card.classes is None) == (not top)
        assert_same_tensors(conversion, expected)
    assert_same_outputs(conversion, keras_outputs[1.001e-5])


@pytest.mark.parametrize("nested", [True, False])
def test_fine_tuned_keras_models_convert_exactly(nested, tmp_path, tensors):
    """The network is one layer of a model, or its layers are the model's own; the optimiser's tensors are present."""
    names, expected = KERAS_LAYERS, tensors["keras_v1"]
    state = in_format(expected, "keras")
    with keras_network.loosened():
        network, _ = keras_network.build(SMALL, names, 0, IMAGES.shape[1:])
        keras_network.fill(network, {name: value for name, value in state.items() if "predictions" not in name})
        top = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
        model = keras.Sequential([network, *top])
        if not nested:
            model = keras.Model(network.input, top[2](top[1](top[0](network.output))))
        top[2].set_weights([expected["head.kernel"], expected["head.bias"]])
        model.compile("sgd", "mse")
        model.optimizer.build(model.trainable_variables)
        model.save_weights(tmp_path / "model.weights.h5")
        model.save(tmp_path / "model.keras")
        keras.saving.save_model(model, tmp_path / "model.h5")
    if nested:
        head = {name.replace("predictions", "dense"): value for name, value in state.items() if "predictions" in name}
        body = {name: value for name, value in state.items() if "predictions" not in name}
        path = write_hdf5(tmp_path / "keras2.h5", body, "resnet50/{layer}/{leaf}:0", "model_weights")
        write_hdf5(path, head, KERAS_2, "model_weights", mode="a")
    for path in sorted(tmp_path.iterdir()):
        conversion = convert(path)
        assert conversion.card.format == "keras", path.name
        assert len(conversion.card.classes) == 3 and conversion.tensors.keys() == expected.keys(), path.name
        assert_same_tensors(conversion, expected)
        assert any("larger model" in remark for remark in conversion.remarks)


@pytest.mark.parametrize("nested", [True, False])
def test_keras_archives_without_layer_names_are_read_by_their_description(nested, tmp_path, tensors):
    """TensorFlow 2.13 to 2.15 and early Keras 3 wrote such files."""
    expected = tensors["keras_v1"]
    with keras_network.loosened():
        network, _ = keras_network.build(SMALL, KERAS_LAYERS, 0 if nested else 3, IMAGES.shape[1:])
        head = keras.layers.Dense(3)
        model = keras.Sequential([network, keras.layers.GlobalAveragePooling2D(), head]) if nested else network
        state = in_format(expected, "keras")
        keras_network.fill(network, state)
        if nested:
            head.set_weights([expected["head.kernel"], expected["head.bias"]])
        model.compile("sgd", "mse", metrics=["mae"])
        model.save(tmp_path / "named.keras")
    with zipfile.ZipFile(tmp_path / "named.keras") as named, zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
        weights = io.BytesIO(named.read("model.weights.h5"))
        with h5py.File(weights, "a") as file:
            file.visititems(lambda _, group: group.attrs.pop("name", None) and None)
            file["metrics/mean/vars/0"] = 1.0
        archive.writestr("config.json", named.read("config.json"))
        archive.writestr("model.weights.h5", weights.getvalue())
    conversion = convert(tmp_path / "w.keras")
    assert conversion.tensors.keys() == expected.keys()
    assert_same_tensors(conversion, expected)


@pytest.mark.parametrize("layout", ["{layer}/{layer}_{leaf}_1:0", "{layer}/{layer}/{leaf}:0"])
def test_old_keras_names_imply_the_old_epsilon(layout, tmp_path, tensors, keras_outputs):
    expected = tensors["keras_v1"]
    state = in_format(expected, "keras-old")
    if "_1" in layout:
        leaf = {name: name.rpartition("/")[2] for name in state}
        state = {f"{n.rpartition('/')[0]}/{KERAS_1.get(leaf[n], leaf[n])}": value for n, value in state.items()}
    conversion = convert(write_hdf5(tmp_path / "old.h5", state, layout))
    assert conversion.card.format == "keras-old"
    assert any("epsilon is 0.001" in remark for remark in conversion.remarks)
    np.testing.assert_array_equal(conversion.tensors["stages.0.1.conv2.kernel"], expected["stages.0.1.conv2.kernel"])
    assert_same_outputs(conversion, keras_outputs[1e-3])


def test_the_epsilon_of_a_described_keras_model_is_used(tmp_path, tensors, keras_outputs):
    """The saved model has the current names and states the old epsilon."""
    with keras_network.loosened():
        network, _ = keras_network.build(SMALL, KERAS_LAYERS, 3, IMAGES.shape[1:], epsilon=1e-3)
        keras_network.fill(network, in_format(tensors["keras_v1"], "keras"))
        network.save(tmp_path / "model.keras")
    assert_same_outputs(convert(tmp_path / "model.keras"), keras_outputs[1e-3])


@pytest.mark.parametrize(("name", "variant"), [("torchvision", "keras_v1"), ("keras-port", "torch_v1.5")])
def test_another_variant_can_be_requested(name, variant, tmp_path, tensors):
    """The strides are those of the variant; missing biases become zero, and others are moved into the means."""
    own = KERAS_PORTS.get(name, "torch_v1.5")
    expected = tensors[own]
    conversion = convert(write_torch(tmp_path / "weights.pth", in_format(expected, name)), variant=variant)
    assert conversion.card.variant == variant
    assert_same_outputs(conversion, pytorch_outputs(expected, variant, biases=own == "keras_v1"))


def test_resnet50_of_keras_before_2_3_equals_keras():
    """Goldens by golden/make_keras_resnet50.py."""
    tensors, images = random_tensors("resnet50", "keras_v1"), verify.images(NORMALISATIONS["caffe"])
    tensors = {
        name: value + np.float32(1e-3 - 1.001e-5) if name.endswith(".var") else value for name, value in tensors.items()
    }
    golden = np.load(GOLDEN)
    for layer, values in outputs(tensors, "resnet50", "keras_v1", images).items():
        found, wanted = values.ravel()[:: max(1, values.size // 500)], golden[f"old_{layer}"]
        assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max(), layer


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
