"""torchvision's vision transformers: vit_b_16, vit_l_16."""

from functools import partial

from tljax.weights.formats import TRAINING, Format, renaming
from tljax.weights.transformer.names import CLASS_TOKEN, IMAGENET, Layers, rule

LAYERS = Layers(
    patch="conv_proj",
    class_token="class_token",
    positions="encoder.pos_embedding",
    norm="encoder.ln",
    block="encoder.layers.encoder_layer_{}.",
    norm1="ln_1",
    qkv="self_attention.in_proj",
    joint=True,
    out="self_attention.out_proj",
    norm2="ln_2",
    up="mlp.0",
    down="mlp.3",
    head="heads.head",
)


FORMAT = Format(
    title="torchvision, vision transformer",
    family="vit",
    layout="torch",
    stem=("conv_proj.weight",),
    identify=partial(LAYERS.identify, variant="torchvision"),
    names=LAYERS.names,
    rename=renaming((r"mlp\.linear_1\.", "mlp.0."), (r"mlp\.linear_2\.", "mlp.3.")),  # before torchvision 0.14
    normalisation="imagenet",
    rule=rule("torchvision's names", CLASS_TOKEN, "1e-6", IMAGENET),
    licence="BSD-3-Clause for torchvision's own weights (those of SWAG: CC BY-NC 4.0)",
    aside=TRAINING,
)
