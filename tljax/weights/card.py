"""What a weights folder says of itself: where the weights come from and what input they were trained on."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Normalisation:
    """`x = (pixel[channels] * scale - mean) / std`, pixels 0..255; mean and std in the order of `channels`."""

    channels: Literal["rgb", "bgr"]
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_BGR_MEAN = (103.939, 116.779, 123.68)  # of ImageNet, as Caffe's models and after them Keras subtract it

NORMALISATIONS = {
    "caffe": Normalisation("bgr", 1.0, _BGR_MEAN, (1.0, 1.0, 1.0)),
    "imagenet": Normalisation("rgb", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "radimagenet": Normalisation("bgr", 1.0, _BGR_MEAN, (255.0, 255.0, 255.0)),
    # github.com/BMEII-AI/RadImageNet, acl/acl_pytorch_train.ipynb: cv2.imread, then (image - 127.5) * 2 / 255
    "radimagenet_torch": Normalisation("bgr", 1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


@dataclass(frozen=True)
class WeightsCard:
    """The `card.json` of a weights folder."""

    name: str
    format: str  # in which the weights came
    backbone: str  # one of `tljax.models.names()`
    variant: str  # of the backbone: strides, biases and epsilon, which the tensors' shapes do not tell
    normalisation: Normalisation
    classes: tuple[str, ...] | None  # of the head, in its order; None: no head among the tensors
    source: str  # the file or run that the weights came from
    sha256: str  # of that file; "" where it was no single file
    licence: str
    note: str  # what was assumed or changed in conversion
