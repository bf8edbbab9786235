"""Selects the network and the head of a file, and states what is left out."""

import numpy as np
import pytest
import torch
from weight_files import assert_same_tensors, in_format, random_tensors, to_torch, write_hdf5, write_torch

from tljax import weights
from tljax.core.errors import UserError
from tljax.models.normalisation import NORMALISATIONS

pytestmark = pytest.mark.usefixtures("small")

FEATURES = 256  # of the small network


@pytest.fixture
def tensors():
    return random_tensors("small", "torch_v1.5")


@pytest.fixture
def state(tensors):
    return in_format(tensors, "torchvision")


@pytest.fixture
def body(state):
    """The same without head."""
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


def behind(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def dense(name, inputs, outputs):
    return {f"{name}.weight": np.ones((outputs, inputs), np.float32), f"{name}.bias": np.ones(outputs, np.float32)}


@pytest.mark.parametrize(
    ("body", "head", "found"),
    [
        ("", "fc.1.", True),  # Dropout and a dense layer in the head's place
        ("module.backbone.", "module.head.fc.", True),
        ("", "fc.0.", False),  # with others behind it
        ("model.encoder.", "model.classifier.0.", False),
    ],
)
def test_a_head_is_found_under_any_name(body, head, found, tmp_path, tensors, state):
    """A single dense layer on the features is the head under any name; of several layers, none is."""
    state = {head + n.removeprefix("fc.") if n.startswith("fc.") else body + n: value for n, value in state.items()}
    second = {head.replace("0.", "3.") + "weight": np.ones((2, 3), np.float32)}
    conversion = weights.convert(write_torch(tmp_path / "weights", state | ({} if found else second)))
    assert_same_tensors(conversion, tensors)
    assert ("head.kernel" in conversion.tensors) == found
    assert conversion.card.classes == (("class 0", "class 1", "class 2") if found else None)
    assert found or {f"{head}weight", *second} <= set(conversion.aside)


def test_a_head_with_one_output_is_left_out(tmp_path, state):
    state |= {"fc.weight": state["fc.weight"][:1], "fc.bias": state["fc.bias"][:1]}
    conversion = weights.convert(write_torch(tmp_path / "weights", state))
    assert conversion.card.classes is None and {"fc.weight", "fc.bias"} <= set(conversion.aside)
    assert any("sigmoid" in remark for remark in conversion.remarks)


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        (dense("classifier", FEATURES, 1), "single output"),
        (dense("classifier.0", FEATURES, 8) | dense("classifier.3", 8, 2), "several layers"),
        (dense("neck", FEATURES, 8) | {"norm.weight": np.ones(8, np.float32)} | dense("top", 8, 2), "several layers"),
        (dense("top", 4 * FEATURES, 2), "takes 1024 values"),
        ({"fc.weight": np.ones((7, FEATURES), np.float32)}, "no bias"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_head_that_is_not_for_classes_is_left_out(prefix, layers, why, tmp_path, tensors, body):
    conversion = weights.convert(write_torch(tmp_path / "w", behind(prefix, body) | layers))
    assert_same_tensors(conversion, tensors)
    assert conversion.card.classes is None and layers.keys() <= set(conversion.aside)
    assert [why in remark for remark in conversion.remarks if "head left out" in remark] == [True]


@pytest.mark.parametrize("head", ["dense", "output"])
@pytest.mark.parametrize("hidden", [True, False])
def test_a_head_that_is_not_for_classes_is_left_out_in_keras(head, hidden, tmp_path):
    state = in_format(random_tensors("small", "keras_v1"), "keras")
    state = {name: value for name, value in state.items() if "predictions" not in name}
    width = 8 if hidden else FEATURES
    layers = {f"{head}/kernel": np.ones((width, 1), np.float32), f"{head}/bias": np.ones(1, np.float32)}
    if hidden:
        layers |= {"fc1/kernel": np.ones((FEATURES, 8), np.float32), "fc1/bias": np.ones(8, np.float32)}
    conversion = weights.convert(write_hdf5(tmp_path / "w.h5", state | layers, "{layer}/{layer}/{leaf}:0"))
    assert conversion.card.format == "keras" and set(conversion.aside) == set(layers)
    assert any("head left out" in remark for remark in conversion.remarks)


def test_dense_layers_of_another_network_are_not_a_head(tmp_path, body):
    squeeze = dense("layer4.0.se.fc1", FEATURES, 16) | dense("layer4.0.se.fc2", 16, FEATURES)
    with pytest.raises(UserError, match=r"no place in the network: 'layer4\.0\.se\.fc1\.bias'"):
        weights.convert(write_torch(tmp_path / "w", body | squeeze))


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_weights_of_the_loss_are_left_out(prefix, tmp_path, body):
    head = dense("fc" if prefix == "" else "head", FEATURES, 4)
    loss = {"criterion.weight": np.ones(4, np.float32), "loss.weight": np.ones(4, np.float32)}
    conversion = weights.convert(write_torch(tmp_path / "w", behind(prefix, body) | head | loss))
    assert len(conversion.card.classes) == 4 and loss.keys() <= set(conversion.aside)


def test_a_contrastive_projection_is_not_a_head(tmp_path, body):
    conversion = weights.convert(write_torch(tmp_path / "w", body | dense("projection", FEATURES, 128)))
    assert conversion.card.classes is None and "projection.weight" in conversion.aside


@pytest.mark.parametrize("averaged", ["ema_model.", "model_ema.module.", "ema.", "module.ema_model.", "model_swa."])
def test_averaged_weights_next_to_the_network_are_left_out(averaged, tmp_path, tensors, state):
    copy = {name: value * 2 for name, value in state.items()}
    conversion = weights.convert(write_torch(tmp_path / "w", behind("model.", state) | behind(averaged, copy)))
    assert_same_tensors(conversion, tensors)
    assert f"{averaged}conv1.weight" in conversion.aside
    assert f"read from 'model.', not from '{averaged}'" in conversion.remarks


def test_averaged_weights_under_another_key_are_left_out(tmp_path, tensors, state):
    copy = {name: value * 2 for name, value in state.items()}
    torch.save({"params_ema": to_torch(copy), "params": to_torch(state), "net": {"depth": 50}}, tmp_path / "w")
    conversion = weights.convert(tmp_path / "w")
    assert_same_tensors(conversion, tensors)
    assert "read from 'params', not from 'params_ema'" in conversion.remarks


@pytest.mark.parametrize("prefix", ["target_encoder.", "my_teacher.", "module.ema_model.", "projection."])
def test_the_only_network_is_read_under_any_prefix(prefix, tmp_path, tensors, state):
    conversion = weights.convert(write_torch(tmp_path / "w", behind(prefix, state)))
    assert_same_tensors(conversion, tensors)
    assert len(conversion.card.classes) == 3 and all("num_batches" in name for name in conversion.aside)


@pytest.mark.parametrize(
    ("prefix", "others", "name"),
    [
        ("", {}, "radimagenet-torch"),
        ("0.", dense("1.linear", FEATURES, 5), "radimagenet-torch"),  # as the authors fine-tune
        ("", dense("projection_head.layers.0", FEATURES, 8), "torchvision-numbered"),  # as Lightly pre-trains
        ("", dense("classifier", FEATURES, 5), "torchvision-numbered"),
    ],
)
def test_only_a_bare_numbered_backbone_is_read_as_radimagenet(prefix, others, name, tmp_path, tensors):
    state = behind(prefix, in_format(tensors, "radimagenet-torch"))
    conversion = weights.convert(write_torch(tmp_path / "w", state | others))
    radimagenet = name == "radimagenet-torch"
    assert conversion.card.format == name
    assert conversion.card.normalisation == NORMALISATIONS["radimagenet_torch" if radimagenet else "imagenet"]
    assert ("RadImageNet" in conversion.card.licence) == radimagenet
    assert ("--normalisation imagenet" if radimagenet else "--normalisation radimagenet") in conversion.remarks[0]


def test_a_port_with_a_sigmoid_head_is_not_read_as_bare(tmp_path):
    state = in_format(random_tensors("small", "keras_v1"), "keras-port")
    state |= {"fc.weight": state["fc.weight"][:1], "fc.bias": state["fc.bias"][:1]}
    assert weights.convert(write_torch(tmp_path / "w", state)).card.format == "keras-port"
