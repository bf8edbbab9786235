"""`RadImageNet-DenseNet121_notop.h5` of the RadImageNet authors: a whole Keras model."""

from dataclasses import replace

from tljax.weights.formats import keras_densenet, radimagenet

FORMAT = replace(
    keras_densenet.FORMAT,
    title="RadImageNet, Keras, DenseNet",
    bare=True,
    own_head=None,
    saved_model=True,
    normalisation="radimagenet",
    rule="a whole Keras DenseNet without head is taken for RadImageNet's: input (BGR minus the ImageNet mean) / 255; "
    "if it is ImageNet's, say --normalisation imagenet",
    licence=radimagenet.FORMAT.licence,
)
