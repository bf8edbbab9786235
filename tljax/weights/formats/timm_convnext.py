"""timm's ConvNeXts, including DINOv3's (https://huggingface.co/timm/convnext_tiny.dinov3_lvd1689m)."""

from dataclasses import replace

from tljax.weights.convnext import reference
from tljax.weights.convnext.names import Layers, rule
from tljax.weights.formats import NotConvertible, Shapes, torchvision_convnext
from tljax.weights.reference import by_torch

LAYERS = Layers(
    stem="stem.0",
    stem_norm="stem.1",
    down_norm="stages.{stage}.downsample.0",
    down_conv="stages.{stage}.downsample.1",
    block="stages.{stage}.blocks.{block}.",
    depthwise="conv_dw",
    norm="norm",
    up="mlp.fc1",
    down="mlp.fc2",
    scale="gamma",
    last_norm="head.norm",
    head="head.fc",
)


def identify(shapes: Shapes) -> tuple[str, str]:
    if "norm_pre.weight" in shapes:
        raise NotConvertible("a ConvNeXt with other layers, whose last LayerNorm comes before pooling (timm's `hnf`)")
    return LAYERS.identify(shapes, "torch")


REFERENCE = by_torch("timm", reference.of_timm, LAYERS.names)

FORMAT = replace(
    torchvision_convnext.FORMAT,
    title="timm, ConvNeXt",
    stem=("stem.0.weight", "stem.0.bias"),
    identify=identify,
    names=LAYERS.names,
    rule=rule("timm's names", "if it is CLIP's image encoder, use --normalisation clip"),
    licence="of the weights' authors: Apache-2.0 or MIT for most of timm's, the DINOv3 License for DINOv3's",
    own_head=None,
    exports=False,
    reference=REFERENCE,
)
