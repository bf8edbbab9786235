"""Keras files of ConvNeXts, as Keras itself writes them."""

import json
import re
import zipfile
from functools import partial
from pathlib import Path

import h5py
import keras
import keras_network
import numpy as np
import pytest
from keras.src.applications import convnext as keras_convnext
from keras.src.legacy.saving import legacy_h5_format
from weight_files import random_tensors

from tljax.core.errors import UserError
from tljax.models.convnext import ARCHITECTURES
from tljax.models.normalisation import NORMALISATIONS
from tljax.weights import convert, verify
from tljax.weights.convnext.reference import KERAS_NETWORKS

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras writing HDF5


@pytest.fixture(scope="module")
def keras_networks():
    """Keras networks with the weights of the tests: with top, within a user's model, and with other inputs."""
    expected = random_tensors("convnext_micro", "keras")
    with keras_network.loosened():

        def made(**options):
            network = keras_convnext.ConvNeXt(
                (2, 1, 1, 1), (8, 16, 24, 32), name="my_net", weights=None, input_shape=(32, 32, 3), **options
            )
            for layer in [inner for outer in network.layers for inner in getattr(outer, "layers", [outer])]:
                layer.set_weights([_weight(expected, layer, weight) for weight in layer.weights])
            return network

        top = made(include_top=True, classes=3)
        head = [expected["head.kernel"], expected["head.bias"]]
        models = {"top": top}
        for kind, options in (("user", {}), ("pooled", {"pooling": "avg"})):
            body = made(include_top=False, **options)
            pooling = [] if options else [keras.layers.GlobalAveragePooling2D()]
            models[kind] = keras.Sequential([body, *pooling, keras.layers.Dense(3)])
            models[kind].build((None, 32, 32, 3))
            models[kind].layers[-1].set_weights(head)
        models["rescaled"] = keras.Sequential([keras.layers.Rescaling(1 / 255), models["pooled"].layers[0]])
        models["rescaled"].build((None, 32, 32, 3))
        models["no top"] = models["user"].layers[0]
        models["bare"] = made(include_top=False, pooling="avg", include_preprocessing=False)
    return models


def _weight(expected, layer, weight) -> np.ndarray:
    """Returns the tensor of a Keras layer, found without the format's names."""
    leaf = {"gamma": "scale", "beta": "bias"}.get(weight.name, weight.name)
    name = layer.name.removeprefix("my_net_")
    if found := re.fullmatch(r"stage_(\d)_block_(\d)_(\w+)", name):
        parts = {
            "depthwise_conv": "depthwise",
            "layernorm": "norm",
            "pointwise_conv_1": "up",
            "pointwise_conv_2": "down",
        }
        part = "scale" if found[3] == "layer_scale" else f"{parts[found[3]]}.{leaf}"
        return expected[f"stages.{found[1]}.{found[2]}.{part}"]
    if found := re.fullmatch(r"downsampling_(layernorm|conv)_(\d)", name):
        return expected[f"down_{found[1].replace('layer', '')}s.{found[2]}.{leaf}"]
    ours = {"stem_conv": "stem", "stem_layernorm": "stem_norm", "head_dense": "head"}.get(name, "norm")
    return expected[f"{ours}.{leaf}"]


def written(network, path: Path) -> Path:
    """Saves a Keras network in the format of the suffix; `.legacy.h5` has the layout of Keras 2."""
    with keras_network.loosened():
        if path.name.endswith(".legacy.h5"):
            with h5py.File(path, "w") as file:
                legacy_h5_format.save_weights_to_hdf5_group(file, network)
        elif path.name.endswith(".weights.h5"):
            network.save_weights(path)
        else:
            network.save(path)
    return path


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".legacy.h5", ".h5"])
@pytest.mark.parametrize(("kind", "variant"), [("top", "keras"), ("user", "keras_norm_first"), ("pooled", "keras")])
def test_keras_files_keep_every_value_and_show_the_place_of_pooling(kind, variant, suffix, keras_networks, tmp_path):
    expected = random_tensors("convnext_micro", "keras")
    found = convert(written(keras_networks[kind], tmp_path / f"file{suffix}"))
    assert (found.card.format, found.card.backbone, found.card.variant) == ("keras-convnext", "convnext_micro", variant)
    assert found.card.normalisation == NORMALISATIONS["imagenet"]
    if suffix == ".keras":
        other = {"keras": "keras_norm_first", "keras_norm_first": "keras"}[variant]
        with pytest.raises(UserError, match=f"--variant {other} contradicts them"):
            convert(tmp_path / f"file{suffix}", variant=other)
    assert found.tensors.keys() == expected.keys() and found.aside == ()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found.tensors[name], tensor)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".legacy.h5", ".h5"])
@pytest.mark.parametrize(("kind", "variant"), [("no top", "keras_norm_first"), ("bare", "keras")])
def test_a_network_without_a_head_shows_whether_it_pools(kind, variant, suffix, keras_networks, tmp_path):
    assert convert(written(keras_networks[kind], tmp_path / f"file{suffix}")).card.variant == variant


@pytest.mark.parametrize("kind", ["top", "user"])
def test_verification_runs_keras_own_network(kind, keras_networks, tmp_path, monkeypatch):
    size = ARCHITECTURES["convnext_micro"]
    micro = partial(keras_convnext.ConvNeXt, size.blocks, size.widths, name="convnext_micro")
    monkeypatch.setattr(keras.applications, "ConvNeXtMicro", micro, raising=False)
    monkeypatch.setitem(KERAS_NETWORKS, "convnext_micro", "ConvNeXtMicro")
    path = written(keras_networks[kind], tmp_path / "file.keras")
    conversion = convert(path)
    with keras_network.loosened():
        title, theirs = verify.original_outputs(path, conversion)
    found = verify.differences(verify.our_outputs(conversion), theirs)
    assert title == "keras.applications.ConvNeXtMicro"
    assert found.keys() == {"stem", "stage1", "stage2", "stage3", "stage4", "logits"}
    assert max(found.values()) < 1e-5, found


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_that_changes_the_pixels_before_the_network_is_refused(suffix, keras_networks, tmp_path):
    path = written(keras_networks["rescaled"], tmp_path / f"file{suffix}")
    with pytest.raises(UserError, match=r"change the pixels .*'rescaling"):
        convert(path)
    assert convert(path, normalisation="inception").card.normalisation == NORMALISATIONS["inception"]


def test_the_assumed_input_without_own_normalisation_is_stated(keras_networks, tmp_path):
    assert "include_preprocessing=False" in convert(written(keras_networks["bare"], tmp_path / "file.keras")).card.note


@pytest.mark.parametrize(
    ("layer", "change", "message"),
    [
        ("my_net_stage_0_block_1_layernorm", {"epsilon": 1e-3}, "epsilon 0.001, where a ConvNeXt has 1e-06"),
        ("my_net_stage_1_block_0_depthwise_conv", {"padding": "valid"}, "padding valid"),
        ("my_net_stage_1_block_0_pointwise_conv_1", {"activation": "relu"}, "activation relu"),
        ("my_net_stage_2_block_0_gelu", {"activation": "relu"}, "is not an exact GELU"),
    ],
)
def test_a_description_of_another_network_names_the_layer(layer, change, message, keras_networks, tmp_path):
    """The test changes the description in the file."""
    path = written(keras_networks["top"], tmp_path / "file.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    described = next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == layer)
    described["config"] |= change
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"config.json": json.dumps(config).encode()}).items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match=f"'{layer}' .*{message}"):
        convert(path)
