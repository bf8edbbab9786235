"""`RadImageNet-InceptionV3_notop.h5` (Mei et al. 2022, https://github.com/BMEII-AI/RadImageNet): a whole Keras model.

The authors' code feeds all their Keras networks alike, this one too: `preprocess_input` of imagenet_utils, which is
Caffe's, then 1 / 255 (acl/acl_train.py).
"""

from dataclasses import replace

from tljax.weights.formats import keras_inception_v3, radimagenet

FORMAT = replace(
    keras_inception_v3.FORMAT,
    title="RadImageNet, Keras, Inception V3",
    bare=True,
    own_head=None,
    saved_model=True,
    normalisation="radimagenet",
    rule="a whole Keras model without head is taken for RadImageNet's: input (BGR minus the ImageNet mean) / 255; "
    "if it is ImageNet's, say --normalisation inception",
    licence=radimagenet.FORMAT.licence,
)
