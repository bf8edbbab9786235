"""`RadImageNet-IRV2_notop.h5` (Mei et al. 2022, https://github.com/BMEII-AI/RadImageNet): a whole Keras model."""

from dataclasses import replace

from tljax.weights.formats import keras_inception_resnet_v2, radimagenet_inception_v3

FORMAT = replace(
    keras_inception_resnet_v2.FORMAT,
    title="RadImageNet, Keras, Inception-ResNet-V2",
    bare=True,
    own_head=None,
    saved_model=True,
    normalisation=radimagenet_inception_v3.FORMAT.normalisation,
    rule=radimagenet_inception_v3.FORMAT.rule,
    licence=radimagenet_inception_v3.FORMAT.licence,
)
