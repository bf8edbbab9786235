"""DINOv2 with its authors' names (https://github.com/facebookresearch/dinov2), with or without registers.

`dinov2_vits14_pretrain.pth` names a block `blocks.0.`. The training code divides the blocks into chunks: `blocks.0.0.`.
"""

from dataclasses import replace

from tljax.weights.formats import TRAINING, Format, Shapes, renaming, require, timm_dinov2
from tljax.weights.transformer.names import CLASS_TOKEN, IMAGENET, TIMM, rule

# of a training checkpoint: all but the teacher, which is the network that its authors evaluate and publish
BESIDE_TEACHER = (
    *(pattern.replace("teacher", "student") for pattern in TRAINING),
    r"(^|\.)(dino|ibot_patch|koleo)_loss\.",
)
LAYERS = replace(TIMM, registers="register_tokens", head=None)


def identify(shapes: Shapes) -> tuple[str, str]:
    require(shapes, has=r"blocks\.0\.ls1\.")
    require(shapes, has="mask_token")
    variant = "dinov2_reg" if "register_tokens" in shapes else "dinov2"
    return LAYERS.identify(shapes, variant)


FORMAT: Format = replace(
    timm_dinov2.FORMAT,
    title="DINOv2, its authors' names",
    identify=identify,
    names=LAYERS.names,
    rename=renaming((r"blocks\.\d+\.(\d+)\.", r"blocks.\1.")),
    rule=rule("the names of DINOv2's authors", CLASS_TOKEN, "1e-6", IMAGENET),
    aside=(*BESIDE_TEACHER, r"(^|\.)mask_token$", r"(^|\.)(dino|ibot)_head\."),
    reference=None,
)
