"""`RadImageNet-DenseNet121_notop.h5` of the RadImageNet authors: a whole Keras model."""

from tljax.weights.formats import keras_densenet
from tljax.weights.formats.radimagenet import whole_model

FORMAT = whole_model(keras_densenet.FORMAT, "RadImageNet, Keras, DenseNet", imagenet="imagenet")
