"""Every Keras format of ResNets converts exactly: the same tensors, and the activations of the original network."""

import io
import zipfile
from pathlib import Path

import h5py
import keras
import keras_network
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from weight_files import (
    SMALL,
    assert_same_outputs,
    assert_same_tensors,
    in_format,
    outputs,
    random_tensors,
    write_hdf5,
)

from tljax.models.normalisation import NORMALISATIONS
from tljax.models.resnet import ARCHITECTURES, VARIANTS
from tljax.weights import convert, verify
from tljax.weights.formats import formats
from tljax.weights.formats.keras import LAYERS as KERAS_LAYERS

pytestmark = [
    pytest.mark.usefixtures("small"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras writing HDF5
]
GOLDEN = Path(__file__).parents[1] / "golden" / "keras_resnet50.npz"
IMAGES = verify.images(NORMALISATIONS["imagenet"])
KERAS_2 = "{layer}/{layer}/{leaf}:0"
KERAS_1 = {"kernel": "W", "bias": "b", "moving_mean": "running_mean", "moving_variance": "running_std"}


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
    assert_same_outputs(conversion, keras_outputs[1.001e-5], IMAGES)


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
    assert_same_outputs(conversion, keras_outputs[1e-3], IMAGES)


def test_the_epsilon_of_a_described_keras_model_is_used(tmp_path, tensors, keras_outputs):
    """The saved model has the current names and states the old epsilon."""
    with keras_network.loosened():
        network, _ = keras_network.build(SMALL, KERAS_LAYERS, 3, IMAGES.shape[1:], epsilon=1e-3)
        keras_network.fill(network, in_format(tensors["keras_v1"], "keras"))
        network.save(tmp_path / "model.keras")
    assert_same_outputs(convert(tmp_path / "model.keras"), keras_outputs[1e-3], IMAGES)


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
