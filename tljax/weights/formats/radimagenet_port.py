"""Community PyTorch ports of RadImageNet's Keras weights, such as https://github.com/Warvito/radimagenet-models."""

from dataclasses import replace

from tljax.weights.formats import keras_port, radimagenet

FORMAT = replace(
    keras_port.FORMAT,
    title="RadImageNet, PyTorch port of the Keras weights",
    bare=True,
    own_head=None,
    normalisation="radimagenet",
    rule="torchvision names with convolution biases and no head are assumed to be a port of RadImageNet's Keras "
    "weights: strides and epsilon as in keras.applications.ResNet50 (v1), input (BGR minus the ImageNet mean) / 255; "
    "if it is a port of ImageNet's, use --normalisation caffe",
    licence=radimagenet.FORMAT.licence,
)
