"""Keras' ResNet50 before Keras 2.3, named after the Caffe model: `res2a_branch2a`, `bn2a_branch2a`.

Its BatchNorm had Keras' default epsilon, which is a hundred times that of the later network with the same weights:
https://github.com/keras-team/keras-applications/issues/8.
"""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import keras
from tljax.weights.resnet import described
from tljax.weights.resnet.names import Layers

LAYERS = Layers(
    layout="keras",
    stem_conv="conv1",
    stem_norm="bn_conv1",
    conv="res{stage}{block_letter}_branch2{conv_letter}",
    norm="bn{stage}{block_letter}_branch2{conv_letter}",
    shortcut_conv="res{stage}{block_letter}_branch1",
    shortcut_norm="bn{stage}{block_letter}_branch1",
    head="fc1000",
    first_stage=2,
)

FORMAT = replace(
    keras.FORMAT,
    title="Keras before 2.3",
    stem=LAYERS.stem(),
    identify=partial(LAYERS.identify, variant="keras_v1"),
    names=LAYERS.names,
    describe=partial(described.describe, epsilon=1e-3),
    rule="layer names of Keras before 2.3: strides as in keras.applications.ResNet50 (v1), max-pool padded as "
    "since Keras 2.2.3, input as from its preprocess_input (BGR minus the ImageNet mean)",
)
