"""Keras files that describe their layers: a description that differs from our network is refused."""

import h5py
import keras
import keras_network
import numpy as np
import pytest
from weight_files import SMALL, in_format, outputs, random_tensors, write_hdf5

from tljax import weights
from tljax.core.errors import UserError
from tljax.models.normalisation import NORMALISATIONS
from tljax.weights import verify
from tljax.weights.formats.keras import LAYERS as KERAS_LAYERS
from tljax.weights.keras import files as keras_files
from tljax.weights.keras import input as keras_input

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras writing HDF5

IMAGES = verify.images(NORMALISATIONS["caffe"])
SIZE = IMAGES.shape[1:]


@pytest.fixture(autouse=True)
def loosened(small):
    with keras_network.loosened():
        yield


@pytest.fixture(scope="module")
def network():
    with keras_network.loosened():
        return keras_network.build(SMALL, KERAS_LAYERS, 0, SIZE)[0]


def changed(network, change):
    """Returns the network after `change` is applied to the configuration of each layer."""
    description = network.get_config()
    for layer in description["layers"]:
        change(layer["class_name"], layer["config"])
    return keras.Model.from_config(description)


def at(name, **values):
    return lambda _, config: config.update(values) if config["name"] == name else None


def of_kind(kind, **values):
    return lambda found, config: config.update(values) if found == kind else None


def last_stage_without_stride(_, config):
    if config["name"] in ("conv5_block1_0_conv", "conv5_block1_1_conv"):
        config["strides"] = (1, 1)


def without_pool_padding(kind, config):
    if kind == "ZeroPadding2D" and config["padding"] in (1, (1, 1), ((1, 1), (1, 1))):
        config["padding"] = ((0, 0), (0, 0))


def strides_in_the_second_convolution(_, config):
    """Pads only on one side, as 'same' does with a stride, unlike the networks of Keras and torchvision."""
    if config["name"].endswith(("block1_1_conv", "block1_2_conv")) and not config["name"].startswith("conv2"):
        config["strides"] = (2, 2) if config["name"].endswith("2_conv") else (1, 1)


CHANGES = {
    "output stride 16": (last_stage_without_stride, "'conv5_block1_0_conv'", "stride 1", "stride 2"),
    "no padding": (without_pool_padding, "'conv2_block1_0_conv'", "padding 0", "padding 1"),
    "other pooling": (of_kind("MaxPooling2D", pool_size=(2, 2)), "'conv2_block1_0_conv'", "size 2", "size 3"),
    "dilation": (at("conv5_block1_2_conv", dilation_rate=(2, 2)), "'conv5_block1_2_conv'", "dilation_rate 2", "relu"),
    "activation": (at("conv4_block1_2_conv", activation="elu"), "'conv4_block1_2_conv'", "elu(conv", "where keras_v1"),
    "padding": (strides_in_the_second_convolution, "'conv3_block1_2_conv'", "padding 'same'", "torch_v1.5 has"),
    "relu6": (of_kind("ReLU", max_value=6.0), "'conv2_block1_0_conv'", "ReLU(conv1_bn)", "relu(conv1_bn)"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_another_network_is_refused_and_the_differing_layer_is_named(kind, network, tmp_path):
    change, *facts = CHANGES[kind]
    changed(network, change).save(tmp_path / "w.keras")
    keras.saving.save_model(changed(network, change), tmp_path / "w.h5")
    for path in (tmp_path / "w.keras", tmp_path / "w.h5"):
        for options in ({}, {"variant": "keras_v1"}):
            with pytest.raises(UserError, match="another network") as refusal:
                weights.convert(path, **options)
            assert all(fact in str(refusal.value) for fact in facts) and "\n" not in str(refusal.value)


def test_a_network_with_another_end_is_refused(network, tmp_path):
    keras.Model(network.input, network.layers[-2].output).save(tmp_path / "w.keras")  # without its last ReLU
    with pytest.raises(UserError, match=r"'block4\.0' is not there"):
        weights.convert(tmp_path / "w.keras")


def test_strides_in_the_second_convolutions_give_the_other_variant(tmp_path):
    network, probe = keras_network.build(SMALL, KERAS_LAYERS, 0, IMAGES.shape[1:], stride_in_first=False)
    keras_network.fill(network, in_format(random_tensors("small", "keras_v1"), "keras"))
    network.save(tmp_path / "w.keras")
    conversion = weights.convert(tmp_path / "w.keras")
    assert conversion.card.variant == "torch_v1.5"
    with pytest.raises(UserError, match=r"those of torch_v1\.5; --variant keras_v1 contradicts them"):
        weights.convert(tmp_path / "w.keras", variant="keras_v1")
    ours = outputs(conversion.tensors, "small", "torch_v1.5", IMAGES)
    assert max(verify.differences(ours, probe.predict(IMAGES, verbose=0)).values()) < 1e-4


def behind(layer, network, functional=False):
    """Returns a model of `layer`, then the network, then a head."""
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    if not functional:
        return keras.Sequential([keras.Input(SIZE), layer, network, *head])
    images = keras.Input(SIZE)
    return keras.Model(images, head[1](head[0](network(layer(images)))))


@pytest.mark.parametrize("functional", [True, False])
@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (lambda: keras.layers.Rescaling(1 / 255, name="scale"), "scale"),
        (lambda: keras.layers.Normalization(mean=0.0, variance=1.0), "normalization"),
        (lambda: keras.layers.BatchNormalization(name="first"), "first"),
        (lambda: keras.layers.Lambda(lambda x: x / 255, name="code"), "code"),
        (lambda: keras.Sequential([keras.layers.RandomFlip(), keras.layers.Rescaling(1 / 255)], name="both"), "both"),
    ],
)
def test_layers_that_change_the_pixels_are_refused(layer, name, functional, network, tmp_path):
    behind(layer(), network, functional).save(tmp_path / "w.keras")
    with pytest.raises(UserError, match=rf"change the pixels .*'{name}.*--normalisation"):
        weights.convert(tmp_path / "w.keras")
    conversion = weights.convert(tmp_path / "w.keras", normalisation="imagenet")
    assert conversion.card.normalisation == NORMALISATIONS["imagenet"]
    assert any(remark.startswith(f"left out before the network: '{name}") for remark in conversion.remarks)


def test_operations_that_change_the_pixels_are_refused(network, tmp_path):
    behind(lambda images: images / 255.0, network, functional=True).save(tmp_path / "w.keras")
    with pytest.raises(UserError, match=r"change the pixels .*'true_divide"):
        weights.convert(tmp_path / "w.keras")


@pytest.mark.parametrize("added", [0.0, 1.0])
def test_keras_preprocess_input_in_the_model_is_accepted(added, network, tmp_path):
    """Preprocessing that is only similar is refused."""

    def preprocess(images):
        images = keras.applications.resnet50.preprocess_input(keras.layers.RandomFlip()(images))
        return images + added if added else images

    model = behind(preprocess, network, functional=True)
    for save, name in ((model.save, "w.keras"), (lambda path: keras.saving.save_model(model, path), "w.h5")):
        save(tmp_path / name)
        if added:
            with pytest.raises(UserError, match="change the pixels"):
                weights.convert(tmp_path / name)
        else:
            assert weights.convert(tmp_path / name).card.normalisation == NORMALISATIONS["caffe"]


KERAS_2_INPUT = [  # layer, class, function, source, arguments
    (
        *("flip", "SlicingOpLambda", "__operators__.getitem", "images"),
        {"slice_spec": [{"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": -1}]},
    ),
    (
        *("shift", "TFOpLambda", "nn.bias_add", "flip"),
        {"bias": [-103.93900299072266, -116.77899932861328, -123.68000030517578], "data_format": "NHWC"},
    ),
]


@pytest.mark.parametrize("count", [1, 2])
def test_preprocess_input_as_described_by_keras_2_is_accepted(count, network):
    """Reversed channels without the subtraction of the mean are refused."""
    layers = [{"class_name": "InputLayer", "config": {"name": "images"}, "inbound_nodes": []}]
    for name, kind, function, source, arguments in KERAS_2_INPUT[:count]:
        config = {"name": name, "function": function}
        layers.append({"class_name": kind, "config": config, "inbound_nodes": [[source, 0, 0, arguments]]})
    inner = {"name": "resnet50", "layers": [{"class_name": "Conv2D", "config": {"name": "conv1_conv"}}]}
    before = [[[layers[-1]["config"]["name"], 0, 0, {}]]]
    layers.append({"class_name": "Functional", "config": inner, "inbound_nodes": before})
    (model, _) = keras_files.models({"layers": layers})
    assert keras_input.described(model, "conv1_conv") == ([] if count == 2 else ["flip"])


def test_augmentation_before_the_network_is_accepted(network, tmp_path):
    behind(keras.layers.RandomFlip(), network).save(tmp_path / "w.keras")
    assert weights.convert(tmp_path / "w.keras").card.normalisation == NORMALISATIONS["caffe"]


def test_a_normalisation_layer_is_found_in_a_weights_file(tmp_path):
    state = in_format(random_tensors("small", "keras_v1"), "keras")
    state |= {f"normalization/{leaf}": np.ones(3, np.float32) for leaf in ("mean", "variance")}
    path = write_hdf5(tmp_path / "w.h5", state, "{layer}/{layer}/{leaf}:0")
    with pytest.raises(UserError, match="'normalization', so its input"):
        weights.convert(path)
    assert set(weights.convert(path, normalisation="caffe").aside) == {"normalization/mean", "normalization/variance"}


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        (["images", "rescaling_1", "conv1_conv"], ["rescaling_1"]),
        (["images", "tf.math.truediv", "conv1_conv"], ["tf.math.truediv"]),
        (["images", "tf.__operators__.getitem", "tf.nn.bias_add", "conv1_conv"], []),  # Keras' preprocess_input
        (["images", "conv1_conv", "lambda"], []),
    ],
)
def test_layers_without_tensors_are_found_in_a_weights_file(layers, found, tmp_path):
    state = in_format(random_tensors("small", "keras_v1"), "keras")
    path = write_hdf5(tmp_path / "w.h5", state, "{layer}/{layer}/{leaf}:0")
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = layers
    if found:
        with pytest.raises(UserError, match=f"change the pixels .*'{found[0]}', so its input"):
            weights.convert(path)
    assert weights.convert(path, normalisation="radimagenet").card.normalisation == NORMALISATIONS["radimagenet"]
    assert found or weights.convert(path).card.normalisation == NORMALISATIONS["caffe"]


def test_a_rescaling_layer_is_found_in_keras_3_weights(network, tmp_path):
    behind(keras.layers.Rescaling(1 / 255), network).save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(UserError, match=r"change the pixels .*'rescaling', so its input"):
        weights.convert(tmp_path / "model.weights.h5")


def test_the_rule_names_the_alternative_input(tmp_path):
    state = in_format(random_tensors("small", "keras_v1"), "keras")
    path = write_hdf5(tmp_path / "w.h5", state, "{layer}/{layer}/{leaf}:0")
    assert "--normalisation radimagenet" in weights.convert(path).remarks[0]


def average(x):
    return keras.layers.GlobalAveragePooling2D()(x)


def largest(x):
    return keras.layers.GlobalMaxPooling2D()(x)


def both(x):
    return keras.layers.Average()([average(x), largest(x)])


HEADS = {  # of a model: features of the network -> classes, and what is said of it
    "plain": (lambda x: keras.layers.Dense(3, "softmax")(average(x)), None),
    "logits": (lambda x: keras.layers.Dense(3)(average(x)), None),
    "dropout": (lambda x: keras.layers.Dense(3, "softmax")(keras.layers.Dropout(0.5)(average(x))), None),
    "flattened": (
        lambda x: keras.layers.Softmax()(
            keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.GlobalAveragePooling2D(keepdims=True)(x)))
        ),
        None,
    ),
    "activation": (lambda x: keras.layers.Activation("softmax")(keras.layers.Dense(3)(average(x))), None),
    "maximum": (lambda x: keras.layers.Dense(3)(largest(x)), "GlobalMaxPooling2D"),
    "two poolings": (lambda x: keras.layers.Dense(3)(both(x)), "Average"),
    "norm": (lambda x: keras.layers.Dense(3)(keras.layers.UnitNormalization()(average(x))), "UnitNormalization"),
    "map": (lambda x: keras.layers.Dense(3)(average(keras.layers.UnitNormalization()(x))), "UnitNormalization"),
    "temperature": (
        lambda x: keras.layers.Softmax()(keras.layers.Rescaling(0.5)(keras.layers.Dense(3)(average(x)))),
        "Rescaling",
    ),
    "sigmoid": (lambda x: keras.layers.Dense(3, "sigmoid")(average(x)), "sigmoid"),
    "two ends": (lambda x: keras.layers.Add()([d := keras.layers.Dense(3)(average(x)), d]), "Add"),
}


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("kind", HEADS)
def test_a_head_is_read_only_if_its_description_fits(kind, nested, network, tmp_path):
    head, fault = HEADS[kind]
    images = keras.Input(SIZE)
    model = keras.Model(images, head(network(images))) if nested else keras.Model(network.input, head(network.output))
    model.save(tmp_path / "w.keras")
    keras.saving.save_model(model, tmp_path / "w.h5")
    for path in (tmp_path / "w.keras", tmp_path / "w.h5"):
        conversion = weights.convert(path)
        said = [remark for remark in conversion.remarks if remark.startswith("head left out")]
        assert ("head.kernel" in conversion.tensors) == (fault is None), said
        assert (fault is None) == (not said) and all(fault in remark for remark in said)


def test_pooling_within_the_network_is_found(network, tmp_path):
    """The network is that of keras.applications with `pooling="max"`."""
    inner = keras.Model(network.input, largest(network.output))
    keras.Sequential([inner, keras.layers.Dense(3)]).save(tmp_path / "w.keras")
    conversion = weights.convert(tmp_path / "w.keras")
    assert "head.kernel" not in conversion.tensors
    assert any("GlobalMaxPooling2D" in remark for remark in conversion.remarks)
