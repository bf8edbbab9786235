"""Keras' InceptionResNetV2, with or without top: `.h5` (weights or saved model), `.weights.h5`, `.keras`."""

from dataclasses import replace
from functools import partial

from tljax.models.inception_resnet_v2 import ARCHITECTURES, VARIANTS
from tljax.weights.formats import keras_inception_v3
from tljax.weights.inception import described, layers, reference, resnet_v2
from tljax.weights.reference import by_keras

FORMAT = replace(
    keras_inception_v3.FORMAT,
    title="Keras, Inception-ResNet-V2",
    family="inception_resnet_v2",
    identify=resnet_v2.identify_keras,
    names=resnet_v2.keras_names,
    rule="layers in the order of keras.applications.InceptionResNetV2: BatchNorm without scale, epsilon 1e-3, "
    "average pooling over the positions within the image, input as from its preprocess_input (RGB in -1..1); if it is "
    "RadImageNet's, use --normalisation radimagenet",
    describe=partial(described.describe, ARCHITECTURES, VARIANTS),
    fit=partial(layers.fit, VARIANTS),
    reference=by_keras(reference.KERAS_NETWORKS, reference.keras_layers_resnet_v2),
)
