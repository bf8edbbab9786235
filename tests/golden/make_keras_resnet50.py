"""Writes keras_resnet50.npz: what keras.applications.ResNet50 (Keras 3, JAX backend) computes from the tests' weights.

    PYTHONPATH=.:tests python tests/golden/make_keras_resnet50.py

One array a layer and epsilon: `samples` evenly spaced values of the flattened activation, all of the logits.
`old_...` is the network before Keras 2.3, whose BatchNorm had the default epsilon of 1e-3.
"""

from pathlib import Path

import numpy as np
from weight_files import in_format, random_tensors, sample

from tljax.models.normalisation import NORMALISATIONS
from tljax.weights import reference_keras, verify
from tljax.weights.resnet.reference import keras_layers


def main() -> None:
    tensors = in_format(random_tensors("resnet50", "keras_v1"), "keras", "resnet50")
    images = verify.images(NORMALISATIONS["caffe"])
    outputs = {}
    for prefix, epsilon in (("", None), ("old_", 1e-3)):
        found = reference_keras.outputs("ResNet50", keras_layers("resnet50"), tensors, images, epsilon)
        outputs |= {prefix + name: sample(values) for name, values in found.items()}
    np.savez(Path(__file__).with_name("keras_resnet50.npz"), **outputs)


if __name__ == "__main__":
    main()
