"""Keras' ConvNeXts, with or without top: `.h5` (weights or saved model), `.weights.h5`, `.keras`.

The network itself first normalises pixels 0..255, exactly as tljax does for ImageNet.
"""

from dataclasses import replace
from functools import partial

from tljax.weights.convnext import described, reference
from tljax.weights.convnext.keras_names import LAYERS, OWN_NORMALISATION, rename
from tljax.weights.convnext.names import rule
from tljax.weights.formats import keras

FORMAT = replace(
    keras.FORMAT,
    title="Keras, ConvNeXt",
    family="convnext",
    stem=("stem_conv/kernel", "stem_conv/bias"),
    identify=partial(LAYERS.identify, variant="keras"),
    names=LAYERS.names,
    normalisation="imagenet",
    rule=rule(
        "Keras' layer names",
        "the network's own normalisation of pixels is the same",
        "for a network without top whose last LayerNorm is followed by the pooling, use --variant keras_norm_first "
        "(not needed if the file describes its layers)",
    ),
    rename=rename,
    input_layers=OWN_NORMALISATION,
    describe=described.describe,
    fit=None,
    reference=reference.by_keras,
    licence="Apache-2.0 for Keras' code; its ImageNet weights are ported from the authors' (MIT)",
)
