"""The published weights: where a converted folder of them lies, and how a person comes by it."""

from dataclasses import dataclass
from pathlib import Path

from tljax.core.cache import weights_home
from tljax.core.errors import UserError
from tljax.weights.folder import is_whole


@dataclass(frozen=True)
class Published:
    file: str  # the usual one of several that hold these weights
    where: str


PUBLISHED = {
    "imagenet": Published(
        "resnet50_weights_tf_dim_ordering_tf_kernels.h5",
        "https://storage.googleapis.com/tensorflow/keras-applications/resnet/, the paper's weights by Keras "
        "(torchvision's resnet50 .pth converts as well)",
    ),
    "radimagenet": Published(
        "RadImageNet-ResNet50_notop.h5",
        "the Google Drive folder that https://github.com/BMEII-AI/RadImageNet links to, on the authors' terms",
    ),
}


def find(name: str, weights_dir: Path | None = None) -> Path:
    """The weights folder of `imagenet` or `radimagenet` in `weights_dir`, or else in $TLJAX_WEIGHTS, or else in
    ~/.cache/tljax/weights. Raises UserError that says how to make it.
    """
    folder, published = weights_home(weights_dir) / name, PUBLISHED[name]
    if is_whole(folder):
        return folder
    raise UserError(
        f"no {name} weights at {folder} (--weights-dir or $TLJAX_WEIGHTS names another place). Download them by hand: "
        f"{published.file}, from {published.where}. Then convert them with:\n"
        f"  python tools/convert_weights.py {published.file} --out {folder}"
    )
