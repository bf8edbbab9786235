"""torchvision's ResNets, and others with the same names: timm, MoCo, most PyTorch training code."""

from functools import partial

from tljax.weights.formats import TRAINING, Format
from tljax.weights.resnet import reference, variants
from tljax.weights.resnet.names import Layers

LAYERS = Layers(
    layout="torch",
    stem_conv="conv1",
    stem_norm="bn1",
    conv="layer{stage}.{block}.conv{conv}",
    norm="layer{stage}.{block}.bn{conv}",
    shortcut_conv="layer{stage}.{block}.downsample.0",
    shortcut_norm="layer{stage}.{block}.downsample.1",
    head="fc",
)
OWN_HEAD = r"(^|\.)fc\.\d+\."  # several layers in place of the head

FORMAT = Format(
    title="PyTorch, torchvision names",
    family="resnet",
    layout="torch",
    stem=LAYERS.stem(),
    identify=partial(LAYERS.identify, variant="torch_v1.5"),
    names=LAYERS.names,
    normalisation="imagenet",
    rule="torchvision names without convolution biases: strides assumed as torchvision's (v1.5), "
    "without dilation or anti-aliasing, input as for ImageNet (RGB / 255, mean and std)",
    aside=TRAINING,
    own_head=OWN_HEAD,
    exports=True,
    fit=variants.fit,
    reference=reference.by_torch,
    export_note=variants.export_note,
)
