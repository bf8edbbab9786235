"""`RadImageNet-InceptionV3_notop.h5` of the RadImageNet authors: a whole Keras model."""

from tljax.weights.formats import keras_inception_v3
from tljax.weights.formats.radimagenet import whole_model

FORMAT = whole_model(keras_inception_v3.FORMAT, "RadImageNet, Keras, Inception V3", imagenet="inception")
