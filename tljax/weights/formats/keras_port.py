"""PyTorch ports of Keras' ResNet50: torchvision's names, and a bias on each of the 53 convolutions."""

from tljax.weights.formats import Format, torchvision

FORMAT = Format(
    title="PyTorch port of Keras weights",
    names=torchvision.NAMES,
    biases=True,
    variant="keras_v1",
    normalisation="caffe",
    rule="torchvision names with convolution biases are taken for a port from Keras: strides and epsilon as "
    "keras.applications.ResNet50 has them (v1), input BGR minus the ImageNet mean",
    aside=torchvision.ASIDE,
    own_head=torchvision.OWN_HEAD,
)
