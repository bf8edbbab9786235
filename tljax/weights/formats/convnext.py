"""ConvNeXts with the names of their authors' repository, https://github.com/facebookresearch/ConvNeXt.

DINOv3's repository has the same names. Its files hold the last LayerNorm a second time, as `norms.3`.
"""

from dataclasses import replace
from functools import partial

from tljax.weights.convnext.names import Layers, rule
from tljax.weights.formats import TRAINING, timm_convnext, torchvision_convnext

LAYERS = Layers(
    stem="downsample_layers.0.0",
    stem_norm="downsample_layers.0.1",
    down_norm="downsample_layers.{stage}.0",
    down_conv="downsample_layers.{stage}.1",
    block="stages.{stage}.{block}.",
    depthwise="dwconv",
    norm="norm",
    up="pwconv1",
    down="pwconv2",
    scale="gamma",
    last_norm="norm",
    head="head",
)

FORMAT = replace(
    torchvision_convnext.FORMAT,
    title="ConvNeXt's repository",
    stem=("downsample_layers.0.0.weight", "downsample_layers.0.0.bias"),
    identify=partial(LAYERS.identify, variant="torch"),
    names=LAYERS.names,
    rule=rule("names of ConvNeXt's authors"),
    licence="MIT for the authors' weights, the DINOv3 License for DINOv3's",
    aside=(*TRAINING, r"(^|\.)norms\.\d+\."),
    own_head=None,
    exports=False,
    reference=timm_convnext.REFERENCE,
)
