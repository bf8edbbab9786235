"""Keras files of DenseNets that describe their layers, as Keras itself writes them."""

import keras
import keras_network
import pytest
from weight_files import in_format, random_tensors

from tljax.core.errors import UserError
from tljax.weights import convert, verify
from tljax.weights.densenet.reference import KERAS_NETWORKS

TINY = "densenet_tiny"
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras writing HDF5


def tiny_of_keras(epsilon: float, activation: str = "relu") -> keras.Model:
    """As keras.applications builds its DenseNets; without top. activation: the last one."""
    from keras.src.applications.densenet import conv_block, transition_block

    x = images = keras.layers.Input((64, 96, 3))
    x = keras.layers.ZeroPadding2D(3)(x)
    x = keras.layers.Conv2D(16, 7, strides=2, use_bias=False, name="conv1_conv")(x)
    x = keras.layers.BatchNormalization(epsilon=1.001e-5, name="conv1_bn")(x)
    x = keras.layers.Activation("relu", name="conv1_relu")(x)
    x = keras.layers.MaxPooling2D(3, strides=2)(keras.layers.ZeroPadding2D(1)(x))
    for block, count in enumerate((2, 1, 1, 1), start=2):
        x = transition_block(x, 0.5, f"pool{block - 1}") if block > 2 else x
        for layer in range(count):
            x = conv_block(x, 8, f"conv{block}_block{layer + 1}")
    x = keras.layers.Activation(activation, name="relu")(
        keras.layers.BatchNormalization(epsilon=1.001e-5, name="bn")(x)
    )
    network = keras.Model(images, x)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = epsilon
    return network


@pytest.mark.parametrize("epsilon", [1.001e-5, 1e-3])
def test_a_keras_model_with_another_epsilon_gives_the_same_outputs(epsilon, tmp_path, monkeypatch):
    """The outputs are also compared with those of Keras' own network."""
    with keras_network.loosened():
        network = tiny_of_keras(epsilon)
        file = in_format(random_tensors(TINY, "keras"), "keras-densenet", TINY, "keras")
        file = {name: tensor for name, tensor in file.items() if "predictions" not in name}
        keras_network.fill(network, file)
        network.save(tmp_path / "w.keras")
        conversion = convert(tmp_path / "w.keras")
        assert conversion.epsilon == epsilon
        with pytest.raises(UserError, match="those of keras or torch; --variant torch_no_relu contradicts them"):
            convert(tmp_path / "w.keras", variant="torch_no_relu")
        assert ("variances raised" in conversion.card.note) == (epsilon == 1e-3)
        monkeypatch.setitem(KERAS_NETWORKS, TINY, "Tiny")
        monkeypatch.setattr(keras.applications, "Tiny", lambda **_: tiny_of_keras(1.001e-5), raising=False)
        title, theirs = verify.original_outputs(tmp_path / "w.keras", conversion)
    found = verify.differences(verify.our_outputs(conversion), theirs)
    assert title == "keras.applications.Tiny" and len(found) == 5
    assert max(found.values()) < 1e-5, found


@pytest.mark.parametrize("pooling", ["GlobalMaxPooling2D", "GlobalAveragePooling2D"])
def test_maximum_pooling_of_a_keras_model_is_stated(pooling, tmp_path):
    with keras_network.loosened():
        network = tiny_of_keras(1.001e-5)
        keras.Model(network.input, getattr(keras.layers, pooling)(name="pooled")(network.output)).save(
            tmp_path / "w.keras"
        )
    remarks = convert(tmp_path / "w.keras").remarks
    assert any("'pooled' of the file takes the maximum over positions" in each for each in remarks) == (
        pooling == "GlobalMaxPooling2D"
    )


def test_a_keras_model_with_another_last_activation_is_refused(tmp_path):
    with keras_network.loosened():
        tiny_of_keras(1.001e-5, "tanh").save(tmp_path / "w.keras")
    with pytest.raises(UserError, match=r"describes another network .*'block4' is not there.* relu\(bn\)"):
        convert(tmp_path / "w.keras")
