"""`RadImageNet-ResNet50_notop.h5` (Mei et al. 2022, https://github.com/BMEII-AI/RadImageNet): a whole Keras model.

The authors' code prepares the input of all their Keras networks in the same way: `preprocess_input` of
`imagenet_utils`, which is Caffe's, and then a division by 255 (acl/acl_train.py).
"""

from dataclasses import replace

from tljax.weights.formats import Format, keras


def whole_model(of_keras: Format, title: str, imagenet: str) -> Format:
    """Returns the format of RadImageNet's files of a Keras network.

    of_keras: the format of Keras' own files of that network. imagenet: the input normalisation of Keras' own weights.
    """
    return replace(
        of_keras,
        title=title,
        bare=True,
        own_head=None,
        saved_model=True,
        normalisation="radimagenet",
        rule="a whole Keras model without a head is assumed to be RadImageNet's: input (BGR minus the ImageNet mean) "
        f"/ 255; if it is ImageNet's, use --normalisation {imagenet}",
        licence="RadImageNet's: research use, see https://www.radimagenet.com",
    )


FORMAT = whole_model(keras.FORMAT, "RadImageNet, Keras", imagenet="caffe")
