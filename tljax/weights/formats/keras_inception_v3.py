"""Keras' InceptionV3, with or without top: `.h5` (weights or saved model), `.weights.h5`, `.keras`.

Keras numbers the layers in the order in which they are created, and tljax identifies them by this order.
"""

from functools import partial

from tljax.models.inception_v3 import ARCHITECTURES, VARIANTS
from tljax.weights.formats import Format, keras
from tljax.weights.inception import described, layers, numbered, reference, v3
from tljax.weights.reference import by_keras

FORMAT = Format(
    title="Keras, Inception V3",
    family="inception_v3",
    layout="keras",
    stem=("conv2d/kernel", "batch_normalization/beta"),
    identify=v3.identify_keras,
    names=v3.keras_names,
    rename=numbered.rename,
    normalisation="inception",
    rule="numbered layers in the order of keras.applications.InceptionV3: BatchNorm without scale, epsilon 1e-3, "
    "average pooling over the positions within the image, input as from its preprocess_input (RGB in -1..1); if it is "
    "RadImageNet's, use --normalisation radimagenet",
    licence="Apache-2.0 for Keras' own ImageNet weights",
    aside=keras.FORMAT.aside,
    own_head=r"^dense(_\d+)?/",
    describe=partial(described.describe, ARCHITECTURES, VARIANTS),
    fit=partial(layers.fit, VARIANTS),
    reference=by_keras(reference.KERAS_NETWORKS, reference.keras_layers_v3),
)
