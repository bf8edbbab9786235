"""Recognises networks that tljax lacks by the names of their tensors, for the message that refuses their files."""

import re
from collections.abc import Mapping

import numpy as np

DEPTHWISE = "an EfficientNet, a MobileNet or another network of depthwise convolutions"

UNSUPPORTED = {  # pattern of a tensor's name -> the network that has it, which tljax lacks; the first match counts
    r"^(?!.*layers\.\d).*(blocks\.0\.attn\.relative_position|layer\.0\.attention\..*relative_position_bias)": "a BEiT, "
    "or a relative of it",
    r"relative_position_bias_table$|\.cpb_mlp\.|continuous_position_bias_mlp": "a Swin transformer, or a "
    "relative of it",
    r"preact_bn": "a ResNet of the second version (V2), whose blocks begin with BatchNorm",
    r"stages\.\d\.(blocks|layers)\.0\.downsample\.conv\.|block1\.unit01\.": "a ResNet of the second version (V2), as "
    "BiT's",
    r"inception3a\.": "a GoogLeNet (Inception V1)",
    r"features\.\d+\.squeeze\.": "a SqueezeNet",
    r"trunk_output\.|\bs1\.b1\.conv": "a RegNet, or a relative of it",
    r"mlp_tokens\.": "an MLP-Mixer",
    r"storage_tokens$|rope_embed\.periods$": "a DINOv3 with the names of its authors' repository, of which tljax reads "
    "the files of timm and of transformers",
    r"stage2\.0\.(branches|fuse_layers)\.": "an HRNet",
    r"(conv_stem|_conv_stem)[./]|_depthwise[./]|expand_conv": DEPTHWISE,
    r"features\.\d+\.(conv\.0\.0|\d+\.block\.0\.0|block\.0\.0)\.": DEPTHWISE,
    r"\.se_module\.": "a network with squeeze-and-excitation (SE) blocks",
    r"^(.*[./])?(features\.\d+\.(weight|bias)$|block\d_conv\d[./])": "a VGG, an AlexNet or a relative of them",
}
PERHAPS = {  # patterns of names that networks of tljax's families have too
    r"depthwise|conv_dw|sepconv|block1\.rep\.": "a network of depthwise convolutions",
    r"denselayer": "a DenseNet",
    r"patch_embed|class_token|class_embedding|cls_token": "a vision transformer",
}


def kind_of(tensors: Mapping[str, np.ndarray]) -> str | None:
    """Returns the kind of network that has tensors with such names; None if it is unknown."""
    if any(tensor.ndim == 5 for tensor in tensors.values()):
        return "a network with kernels of three dimensions, as for volumes or videos"
    return _found(UNSUPPORTED | PERHAPS, tensors)


def unsupported(tensors: Mapping[str, np.ndarray]) -> str | None:
    """Returns the kind of network that tljax lacks and that has such names; None if tljax may have the network."""
    return _found(UNSUPPORTED, tensors)


def _found(kinds: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> str | None:
    return next((kind for pattern, kind in kinds.items() if any(re.search(pattern, name) for name in tensors)), None)
