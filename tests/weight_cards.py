"""A card for the tests of weights folders."""

from tljax.weights import NORMALISATIONS, WeightsCard

CARD = WeightsCard(
    name="tiny",
    format="torchvision",
    backbone="resnet_tiny",
    variant="torch_v1.5",
    normalisation=NORMALISATIONS["imagenet"],
    classes=("cat", "dog"),
    source="tiny.pth",
    sha256="00",
    licence="CC0",
    note="",
)
