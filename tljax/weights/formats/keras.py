"""Keras' ResNet50 since Keras 2.3, with or without top: `.h5` (weights or saved model), `.weights.h5`, `.keras`."""

from tljax.weights.formats import CONTRASTIVE, Format, Shapes, require
from tljax.weights.keras.input import NORMALIZATION
from tljax.weights.resnet import described, reference, variants
from tljax.weights.resnet.names import Layers

LAYERS = Layers(
    layout="keras",
    stem_conv="conv1_conv",
    stem_norm="conv1_bn",
    conv="conv{stage}_block{block}_{conv}_conv",
    norm="conv{stage}_block{block}_{conv}_bn",
    shortcut_conv="conv{stage}_block{block}_0_conv",
    shortcut_norm="conv{stage}_block{block}_0_bn",
    head="predictions",
    first_stage=2,
    first_block=1,
)


def identify(shapes: Shapes) -> tuple[str, str]:
    """Raises KeyError for a DenseNet, whose first layers have the same names."""
    require(shapes, not_has=r"pool\d_(conv|bn)/")
    return LAYERS.identify(shapes, "keras_v1")


FORMAT = Format(
    title="Keras",
    family="resnet",
    layout="keras",
    stem=LAYERS.stem(),
    identify=identify,
    names=LAYERS.names,
    normalisation="caffe",
    rule="Keras layer names: strides and epsilon as in keras.applications.ResNet50 (v1), "
    "input as from its preprocess_input (BGR minus the ImageNet mean); if it is RadImageNet's, use "
    "--normalisation radimagenet",
    aside=(r"seed_generator", NORMALIZATION, CONTRASTIVE),  # the first is Dropout's
    own_head=r"^(dense|batch_normalization)(_\d+)?/",  # Keras' default names
    describe=described.describe,
    fit=variants.fit,
    reference=reference.by_keras,
    licence="MIT for Keras' own ImageNet weights (ported from Kaiming He's)",
)
