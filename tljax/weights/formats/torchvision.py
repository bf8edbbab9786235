"""torchvision's ResNet50 and all that names its tensors like it: timm, MoCo, most PyTorch training code."""

from tljax.weights.formats import CONTRASTIVE, COUNTERS, Format
from tljax.weights.names import NameMap

NAMES = NameMap(
    layout="torch",
    stem_conv="conv1",
    stem_norm="bn1",
    conv="layer{stage}.{block}.conv{conv}",
    norm="layer{stage}.{block}.bn{conv}",
    shortcut_conv="layer{stage}.{block}.downsample.0",
    shortcut_norm="layer{stage}.{block}.downsample.1",
    head="fc",
)

ASIDE = (
    COUNTERS,
    r"(^|[._])(ema|swa|averaged)[._]",  # averaged weights
    r"encoder_k\.|momentum_encoder|_momentum\.|target_|teacher\.|\bqueue",  # the second network, memory
    rf"encoder_q\.fc\.|{CONTRASTIVE}|predictor|prototypes",
    r"(^|[._])(criterion|loss)(_\w+)?\.",  # weights of the classes
)
OWN_HEAD = r"(^|\.)fc\.\d+\."  # several layers in the head's place

FORMAT = Format(
    title="PyTorch, torchvision names",
    names=NAMES,
    biases=False,
    variant="torch_v1.5",
    normalisation="imagenet",
    rule="torchvision names without convolution biases: strides taken as torchvision's (v1.5), "
    "input as ImageNet's (RGB / 255, mean and std)",
    aside=ASIDE,
    own_head=OWN_HEAD,
)
