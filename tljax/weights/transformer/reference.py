"""Builds the original networks of vision transformers with timm and transformers, for `--verify`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from flax import nnx

from tljax import models
from tljax.models import dinov3, vit
from tljax.models.transformer import Architecture, Variant
from tljax.weights.card import WeightsCard
from tljax.weights.formats import formats
from tljax.weights.reference import Hook, Original, by_torch

Shape = tuple[int, ...]
Tensors = Mapping[str, np.ndarray]


def _hooks(card: WeightsCard, shape: Shape, size: Architecture, kind: Variant, block: str) -> dict[str, Hook]:
    """Returns where our named layers are. block: the name of a block's module, in which `{}` is its number."""
    _, height, width, _ = shape

    def grid(tokens: Any) -> Any:
        return tokens[:, kind.prefix :].reshape(len(tokens), height // size.patch, width // size.patch, -1)

    named = nnx.eval_shape(lambda: models.build(card.backbone, card.variant, 1, seed=None)).named_layers
    blocks = [int(name.removeprefix("block")) for name in named if name.startswith("block")]
    found = {"embedding": Hook(block.format(0), grid, of_input=True)}
    return found | {f"block{number}": Hook(block.format(number - 1), grid) for number in blocks}


def timm_vit_network(card: WeightsCard, tensors: Tensors, shape: Shape) -> Original:
    """Returns timm's network, for images of any size."""
    import torch
    from timm.models.vision_transformer import VisionTransformer  # pyright: ignore[reportMissingImports]

    size, kind = vit.ARCHITECTURES[card.backbone], vit.VARIANTS[card.variant]
    network = VisionTransformer(
        img_size=size.image,
        patch_size=size.patch,
        embed_dim=size.width,
        depth=size.depth,
        num_heads=size.heads * kind.heads,
        qkv_bias=kind.qkv_biases == "all",
        num_classes=len(tensors.get("head.bias", ())),
        init_values=kind.layer_scale,
        reg_tokens=kind.registers,
        no_embed_class=kind.positions == "patches",
        pre_norm=kind.norm_tokens,
        norm_layer=partial(torch.nn.LayerNorm, eps=kind.epsilon),
        act_layer="quick_gelu" if kind.gelu == "quick" else None,
        dynamic_img_size=True,
    )
    return Original("timm's VisionTransformer", network, _hooks(card, shape, size, kind, "blocks.{}"))


def _timm_dinov3(card: WeightsCard, tensors: Tensors, shape: Shape) -> Original:
    import timm  # pyright: ignore[reportMissingImports]

    size, kind = dinov3.ARCHITECTURES[card.backbone], dinov3.VARIANTS[card.variant]
    name = f"vit_small_patch16_dinov3{'_qkvb' if kind.qkv_biases == 'query_value' else ''}"
    network = timm.create_model(
        name,
        num_classes=len(tensors.get("head.bias", ())),
        global_pool="token",
        patch_size=size.patch,
        embed_dim=size.width,
        depth=size.depth,
        num_heads=size.heads,
        dynamic_img_size=True,
    )
    return Original(f"timm's {name} of these sizes", network, _hooks(card, shape, size, kind, "blocks.{}"))


def _transformers(model: str, config: str, card: WeightsCard, tensors: Tensors, shape: Shape) -> Original:
    """Returns a network of transformers. model, config: the names of its classes."""
    import transformers  # pyright: ignore[reportMissingImports]

    family = models.families()[models.family_of(card.backbone)]
    size, kind = family.ARCHITECTURES[card.backbone], family.VARIANTS[card.variant]
    sizes = {
        "hidden_size": size.width,
        "num_hidden_layers": size.depth,
        "num_attention_heads": size.heads * kind.heads,
        "patch_size": size.patch,
    }
    if kind.registers and model == "Dinov2Model":
        model, config = "Dinov2WithRegistersModel", "Dinov2WithRegistersConfig"
    sizes |= {"image_size": size.image} if size.image else {}
    sizes |= {"num_register_tokens": kind.registers} if kind.registers else {}
    sizes |= {"qkv_bias": kind.qkv_biases == "all"} if model == "ViTModel" else {}
    sizes |= {} if model.startswith("Dinov2") else {"intermediate_size": 4 * size.width}
    if card.variant.startswith("clip"):
        sizes["hidden_act"] = "quick_gelu" if kind.gelu == "quick" else "gelu"
    network = getattr(transformers, model)(getattr(transformers, config)(**sizes))
    in_memory = list(network.state_dict())
    block = next(name for name in in_memory if name.endswith("norm1.weight") or name.endswith("before.weight"))
    block = block.split(".0.")[0] + ".{}"
    rename = formats()[card.format].rename
    canonical = rename(dict.fromkeys(in_memory)) if rename else {}
    resizes = model in ("ViTModel", "CLIPVisionModel")

    def run(x: Any) -> Any:
        return network(x, interpolate_pos_encoding=True) if resizes else network(x)

    return Original(
        f"transformers.{model}",
        network,
        _hooks(card, shape, size, kind, block),
        run=run,
        unread=("pooler.", "embeddings.mask_token"),
        names={theirs: own for own, theirs in canonical.items()},
    )


def by_transformers(model: str, config: str) -> Callable:
    """Returns a `Format.reference` that runs a network of transformers without a head.

    model, config: the names of its classes.
    """
    return by_torch("transformers", partial(_transformers, model, config))


BY_TIMM = by_torch("timm", timm_vit_network)
BY_TIMM_DINOV3 = by_torch("timm", _timm_dinov3)
