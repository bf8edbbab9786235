"""The input that weights were trained on: part of them, as much as their tensors are."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float


@dataclass(frozen=True)
class Normalisation:
    """`x = (pixel[channels] * scale - mean) / std`, pixels 0..255; mean and std in the order of `channels`."""

    channels: Literal["rgb", "bgr"]
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, pixels: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
        """RGB pixels 0..255 as the network wants them."""
        if self.channels == "bgr":
            pixels = pixels[..., ::-1]
        mean, std = (jnp.asarray(value, jnp.float32)[None, None, None, :] for value in (self.mean, self.std))
        return (pixels * self.scale - mean) / std


_BGR_MEAN = (103.939, 116.779, 123.68)  # of ImageNet, as Caffe's models and after them Keras subtract it

NORMALISATIONS = {
    "caffe": Normalisation("bgr", 1.0, _BGR_MEAN, (1.0, 1.0, 1.0)),
    "imagenet": Normalisation("rgb", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "radimagenet": Normalisation("bgr", 1.0, _BGR_MEAN, (255.0, 255.0, 255.0)),
    # github.com/BMEII-AI/RadImageNet, acl/acl_pytorch_train.ipynb: cv2.imread, then (image - 127.5) * 2 / 255
    "radimagenet_torch": Normalisation("bgr", 1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
