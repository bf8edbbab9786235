"""`RadImageNet-IRV2_notop.h5` of the RadImageNet authors: a whole Keras model."""

from tljax.weights.formats import keras_inception_resnet_v2
from tljax.weights.formats.radimagenet import whole_model

FORMAT = whole_model(keras_inception_resnet_v2.FORMAT, "RadImageNet, Keras, Inception-ResNet-V2", imagenet="inception")
