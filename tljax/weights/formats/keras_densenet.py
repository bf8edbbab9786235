"""Keras' DenseNets, with or without top: `.h5` (weights or saved model), `.weights.h5`, `.keras`."""

from dataclasses import replace

from tljax.weights.densenet import described, reference
from tljax.weights.densenet.names import KERAS
from tljax.weights.formats import keras
from tljax.weights.reference import by_keras

FORMAT = replace(
    keras.FORMAT,
    title="Keras, DenseNet",
    family="densenet",
    stem=KERAS.stem(),
    identify=lambda shapes: (KERAS.architecture(shapes), "keras"),
    names=KERAS.names,
    normalisation="imagenet",
    rule="Keras' layer names: epsilon as in keras.applications' DenseNet, input as from its preprocess_input "
    "(RGB / 255, ImageNet's mean and std); if it is RadImageNet's, use --normalisation radimagenet",
    describe=described.describe,
    fit=described.fit,
    reference=by_keras(reference.KERAS_NETWORKS, reference.keras_layers),
    licence="MIT for Keras' own ImageNet weights",
)
