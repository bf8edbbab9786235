"""`RadImageNet-ResNet50_notop.h5` (Mei et al. 2022, https://github.com/BMEII-AI/RadImageNet): a whole Keras model."""

from dataclasses import replace

from tljax.weights.formats import keras

FORMAT = replace(
    keras.FORMAT,
    title="RadImageNet, Keras",
    bare=True,
    own_head=None,
    saved_model=True,
    normalisation="radimagenet",
    rule="a whole Keras model without head is taken for RadImageNet's: input (BGR minus the ImageNet mean) / 255; "
    "if it is ImageNet's, say --normalisation caffe",
    licence="RadImageNet's: research use, see https://www.radimagenet.com",
)
