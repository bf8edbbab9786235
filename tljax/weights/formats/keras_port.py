"""PyTorch ports of Keras' ResNets: torchvision's names, and a bias on each convolution."""

from dataclasses import replace
from functools import partial

from tljax.weights.formats import torchvision
from tljax.weights.formats.torchvision import LAYERS

FORMAT = replace(
    torchvision.FORMAT,
    title="PyTorch port of Keras weights",
    identify=partial(LAYERS.identify, variant="keras_v1"),
    normalisation="caffe",
    rule="torchvision names with convolution biases are assumed to be a port from Keras: strides and epsilon as in "
    "keras.applications.ResNet50 (v1), input BGR minus the ImageNet mean",
    exports=False,
)
