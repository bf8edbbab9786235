"""Input normalisations: how pixels become the input that weights were trained on."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float


@dataclass(frozen=True)
class Normalisation:
    """`x = (pixel[channels] * scale - mean) / std`, pixels 0..255; mean and std in the order of `channels`."""

    channels: Literal["rgb", "bgr", "grey"]  # grey: the mean of red, green and blue, one channel
    scale: float
    mean: tuple[float, ...]  # one value per channel
    std: tuple[float, ...]

    def __call__(self, pixels: Float[Array, "b h w 3"]) -> Float[Array, "b h w c"]:
        """Returns the network's input for RGB pixels 0..255; c is 1 for `grey`, else 3."""
        if self.channels == "bgr":
            pixels = pixels[..., ::-1]
        if self.channels == "grey":
            pixels = pixels.mean(axis=-1, keepdims=True)
        mean, std = (jnp.asarray(value, jnp.float32)[None, None, None, :] for value in (self.mean, self.std))
        return (pixels * self.scale - mean) / std

    @property
    def depth(self) -> int:
        """The number of channels of the network's input."""
        return len(self.mean)


_BGR_MEAN = (103.939, 116.779, 123.68)  # the mean of ImageNet that Caffe's models, and later Keras, subtract

NORMALISATIONS = {
    "caffe": Normalisation("bgr", 1.0, _BGR_MEAN, (1.0, 1.0, 1.0)),
    "imagenet": Normalisation("rgb", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "radimagenet": Normalisation("bgr", 1.0, _BGR_MEAN, (255.0, 255.0, 255.0)),
    # github.com/BMEII-AI/RadImageNet, acl/acl_pytorch_train.ipynb: cv2.imread, then (image - 127.5) * 2 / 255
    "radimagenet_torch": Normalisation("bgr", 1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    # Keras' mode "tf" and timm's IMAGENET_INCEPTION_MEAN, IMAGENET_INCEPTION_STD: RGB in -1..1
    "inception": Normalisation("rgb", 1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    # timm's OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
    "clip": Normalisation("rgb", 1 / 255, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    # microsoft/rad-dino, preprocessor_config.json, as github.com/Jasonnn13/rad-dino-maira2-finetune quotes it
    "rad_dino": Normalisation("rgb", 1 / 255, (0.5307, 0.5307, 0.5307), (0.2583, 0.2583, 0.2583)),
    # for networks that were trained on unchanged pixels
    "pixels": Normalisation("rgb", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    # common inputs of networks with one channel: 0..1, and -1..1
    "grey": Normalisation("grey", 1 / 255, (0.0,), (1.0,)),
    "grey_centred": Normalisation("grey", 1 / 255, (0.5,), (0.5,)),
    # torchxrayvision.datasets.normalize(image, 255): (2 * grey / 255 - 1) * 1024
    "xrv": Normalisation("grey", 1 / 255, (0.5,), (1 / 2048,)),
}
