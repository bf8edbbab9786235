"""Vision transformers of timm, torchvision, transformers, open_clip and the authors of DINO and DINOv2."""

import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.peers import Peer, Row
from tljax.models.transformer import Architecture
from tljax.models.vit import ARCHITECTURES, SIZES

CLASSES = 7
TINY = "vit_tiny"


def transformer(
    network: nn.Module,
    blocks: Sequence[nn.Module],
    features: Callable[[Tensor], Tensor],
    size: Architecture,
    *,
    prefix: int = 1,
    save: Callable[[Path], Path] | None = None,
    resized: Callable[[int], Peer] | None = None,
) -> Peer:
    """Returns a network whose blocks take and give tokens `b t c`; prefix: tokens before the patches."""

    def grid(name: str, seen: dict) -> Tensor:
        _, height, width, _ = seen["shape"]
        tokens = seen[name][:, prefix:]
        return tokens.reshape(len(tokens), height // size.patch, width // size.patch, -1)

    layers = {"embedding": partial(grid, "block1.in")}
    layers |= {f"block{number}": partial(grid, f"block{number}") for number in range(1, size.depth + 1)}
    hooks = {f"block{number}": block for number, block in enumerate(blocks, start=1)}
    side = size.image or 8 * size.patch
    other = size.patch * (max(side // size.patch - 5, 3))
    return Peer(network, layers, hooks, features, save or partial(save_state, network), side, other, resized)


def save_state(network: nn.Module, folder: Path, change: Callable[[dict], dict] = dict) -> Path:
    """Saves the tensors of a network, changed as its authors' training code would."""
    path = folder / "weights.pth"
    torch.save(change(network.state_dict()), path)
    return path


def sizes_of(size: Architecture) -> dict:
    """Returns timm's arguments for these sizes."""
    return {
        "img_size": size.image,
        "patch_size": size.patch,
        "embed_dim": size.width,
        "depth": size.depth,
        "num_heads": size.heads,
    }


# timm


def by_timm(name: str, architecture: str, clones: Path | None = None, change: Callable = dict, **options) -> Peer:
    """name: of timm's model, in which {} is the size."""
    import timm

    size = ARCHITECTURES[architecture]
    known = "base" if architecture == TINY else architecture.split("_")[1]  # of 'vit_small_patch16_224'
    sizes = sizes_of(size) if architecture == TINY else {"img_size": size.image}
    network = timm.create_model(name.format(known), num_classes=CLASSES, dynamic_img_size=True, **sizes, **options)
    return transformer(
        network,
        network.blocks,
        lambda x: network.forward_head(network.forward_features(x), pre_logits=True),
        size,
        prefix=network.num_prefix_tokens,
        save=partial(save_state, network, change=change),
    )


def with_bicubic(peer: Peer, make: Callable[[int], Peer], resize: Callable[[Tensor, int], Tensor], name: str) -> Peer:
    """Resizes positions for images of another size by `resize`, of a grid `1 c h w`, as authors do on loading."""

    def resized(side: int) -> Peer:
        other = make(side)
        state = dict(peer.network.state_dict())
        positions = state[name]
        old, new = (int((p.shape[1] - 1) ** 0.5) for p in (positions, other.network.state_dict()[name]))
        grid = positions[:, 1:].reshape(1, old, old, -1).permute(0, 3, 1, 2)
        grid = resize(grid, new).permute(0, 2, 3, 1).flatten(1, 2)
        state[name] = torch.cat([positions[:, :1], grid], dim=1)
        other.network.load_state_dict(state)
        other.network.eval()
        return other

    peer.resized = resized
    return peer


def to_size(grid: Tensor, new: int) -> Tensor:
    """MAE's `interpolate_pos_embed`."""
    return nn.functional.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)


def mae(architecture: str, clones: Path | None, *, tuned: bool) -> Peer:
    """MAE's encoder is timm's network; its own code no longer runs with today's timm."""
    import timm

    size = ARCHITECTURES[architecture]

    def make(side: int) -> Peer:
        network = timm.create_model(
            "vit_base_patch16_224",
            num_classes=CLASSES if tuned else 0,
            global_pool="avg",
            fc_norm=tuned,
            **sizes_of(size) | {"img_size": side},
        )

        def features(x: Tensor) -> Tensor:
            tokens = network.forward_features(x)[:, 1:].mean(1)
            return network.fc_norm(tokens)

        return transformer(network, network.blocks, features, size, save=partial(save_state, network, change=change))

    def change(state: dict) -> dict:
        decoder = {
            "decoder_embed.weight": torch.randn(16, size.width),
            "decoder_blocks.0.attn.qkv.weight": torch.randn(48, 16),
            "decoder_pos_embed": torch.randn(1, 5, 16),
            "mask_token": torch.randn(1, 1, 16),
        }
        return {"model": state if tuned else state | decoder, "epoch": 1}

    return with_bicubic(make(size.image), make, to_size, "pos_embed")


def biomedclip(architecture: str, clones: Path | None) -> Peer:
    """An open_clip model whose image tower is timm's."""
    import timm
    from open_clip.timm_model import TimmModel

    size = ARCHITECTURES[architecture]
    tower = TimmModel("vit_base_patch16_224", 512, pool="", proj="linear")
    tower.trunk = timm.create_model("vit_base_patch16_224", num_classes=0, dynamic_img_size=True, **sizes_of(size))
    trunk = tower.trunk
    text = {"text.transformer.embeddings.weight": torch.randn(5, 3), "text.proj.0.weight": torch.randn(4, 3)}

    def change(state: dict) -> dict:
        return {f"visual.{name}": tensor for name, tensor in state.items()} | text | {"logit_scale": torch.ones(())}

    return transformer(tower, trunk.blocks, trunk, size, save=partial(save_state, tower, change=change))


# open_clip


def open_clip(architecture: str, clones: Path | None) -> Peer:
    from open_clip.model import CLIP

    size = ARCHITECTURES[architecture]

    def make(side: int) -> Peer:
        head_width = size.width // size.heads
        vision = dict(
            image_size=side, patch_size=size.patch, width=size.width, layers=size.depth, head_width=head_width
        )
        text = dict(context_length=5, vocab_size=11, width=16, heads=2, layers=1)
        network = CLIP(embed_dim=16, vision_cfg=vision, text_cfg=text)
        tower = network.visual
        return transformer(
            network,
            tower.transformer.resblocks,
            lambda x: tower._pool(tower.transformer(tower._embeds(x)))[0],
            size,
            save=partial(save_state, network),
        )

    peer = make(size.image)

    def resized(side: int) -> Peer:
        from open_clip.model import resize_pos_embed

        other = make(side)
        state = dict(peer.network.state_dict())
        resize_pos_embed(state, other.network)
        other.network.load_state_dict(state)
        other.network.eval()
        return other

    peer.resized = resized
    return peer


# torchvision


def torchvision(architecture: str, clones: Path | None) -> Peer:
    from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

    size = ARCHITECTURES[architecture]

    def make(side: int) -> Peer:
        sizes = (side, size.patch, size.depth, size.heads, size.width, 4 * size.width)
        network = VisionTransformer(*sizes, num_classes=CLASSES)

        def features(x: Tensor) -> Tensor:
            tokens = network._process_input(x)
            return network.encoder(torch.cat([network.class_token.expand(len(x), -1, -1), tokens], dim=1))[:, 0]

        return transformer(network, network.encoder.layers, features, size)

    peer = make(size.image)

    def resized(side: int) -> Peer:
        other = make(side)
        other.network.load_state_dict(interpolate_embeddings(side, size.patch, dict(peer.network.state_dict())))
        other.network.eval()
        return other

    peer.resized = resized
    return peer


# transformers


def huggingface(model: str, architecture: str, clones: Path | None, *, saved: bool, **options) -> Peer:
    """saved: by `save_pretrained`, with the names of its hub; else the tensors as they are named in memory."""
    import transformers

    size = ARCHITECTURES[architecture]
    sizes = dict(
        hidden_size=size.width,
        num_hidden_layers=size.depth,
        num_attention_heads=size.heads,
        image_size=size.image,
        patch_size=size.patch,
    )
    if not model.startswith("Dinov2"):
        sizes["intermediate_size"] = 4 * size.width
    config = {
        "ViTModel": "ViTConfig",
        "ViTForImageClassification": "ViTConfig",
        "ViTMAEForPreTraining": "ViTMAEConfig",
        "Dinov2Model": "Dinov2Config",
        "Dinov2WithRegistersModel": "Dinov2WithRegistersConfig",
        "CLIPVisionModel": "CLIPVisionConfig",
    }
    if model == "CLIPModel":
        text = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=50)
        made = transformers.CLIPConfig(vision_config={**sizes, **options}, text_config=text)
    else:
        made = getattr(transformers, config[model])(**sizes, **options)
    network = getattr(transformers, model)(made)
    body = getattr(network, "vit", getattr(network, "vision_model", network))
    blocks = body.layers if hasattr(body, "layers") else getattr(body.encoder, "layer", None) or body.encoder.layers

    def features(x: Tensor) -> Tensor:
        if model == "ViTMAEForPreTraining":
            tokens = torch.arange((x.shape[2] // size.patch) * (x.shape[3] // size.patch)).expand(len(x), -1)
            found = body(x, noise=tokens.float(), interpolate_pos_encoding=True)
            return found.last_hidden_state[:, 1:].mean(1)
        if model.startswith("Dinov2"):
            return body(x).pooler_output
        found = body(x, interpolate_pos_encoding=True)
        return found.pooler_output if "CLIP" in model else found.last_hidden_state[:, 0]

    prefix = 1 + getattr(made, "num_register_tokens", 0)
    save = partial(save_pretrained, network) if saved else partial(save_state, network)
    return transformer(network, blocks, features, size, prefix=prefix, save=save)


def save_pretrained(network: nn.Module, folder: Path) -> Path:
    network.save_pretrained(folder)
    return folder / "model.safetensors"


# The authors' repositories


@contextmanager
def clone(clones: Path | None, name: str):
    """Lets modules of a clone be imported. Raises FileNotFoundError without it."""
    if clones is None or not (clones / name).is_dir():
        raise FileNotFoundError(f"no clone of facebookresearch/{name}")
    sys.path.insert(0, str(clones / name))
    try:
        yield
    finally:
        sys.path.remove(str(clones / name))


def dinov2(architecture: str, clones: Path | None, *, registers: int, chunks: int = 0) -> Peer:
    size = ARCHITECTURES[architecture]
    with clone(clones, "dinov2"):
        made = importlib.import_module("dinov2.models.vision_transformer").DinoVisionTransformer
    network = made(
        img_size=size.image,
        patch_size=size.patch,
        embed_dim=size.width,
        depth=size.depth,
        num_heads=size.heads,
        init_values=1.0,
        block_chunks=chunks,
        num_register_tokens=registers,
        interpolate_antialias=bool(registers),  # as hubconf.py has them
        interpolate_offset=0.0 if registers else 0.1,
    )
    blocks = [block for chunk in network.blocks for block in chunk] if chunks else network.blocks
    blocks = [block for block in blocks if not isinstance(block, nn.Identity)]
    return transformer(network, blocks, network, size, prefix=1 + registers)


def dino(architecture: str, clones: Path | None) -> Peer:
    size = ARCHITECTURES[architecture]
    with clone(clones, "dino"):
        module = importlib.import_module("vision_transformer")
    network = module.VisionTransformer(
        img_size=[size.image],
        patch_size=size.patch,
        embed_dim=size.width,
        depth=size.depth,
        num_heads=size.heads,
        qkv_bias=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )
    head = module.DINOHead(size.width, 64, hidden_dim=32, bottleneck_dim=16)

    def change(state: dict) -> dict:
        whole = {f"backbone.{name}": tensor for name, tensor in state.items()}
        whole |= {f"head.{name}": tensor for name, tensor in head.state_dict().items()}
        student = {f"module.{name}": tensor + 1 for name, tensor in whole.items()}
        return {"student": student, "teacher": whole, "epoch": 3, "dino_loss": {"center": torch.zeros(1, 64)}}

    return transformer(network, network.blocks, network, size, save=partial(save_state, network, change=change))


def named(*cuts: str, sizes: tuple[str, ...] = tuple(SIZES)) -> tuple[str, ...]:
    return tuple(f"vit_{size}_{cut}" for size in sizes for cut in cuts)


SUPERVISED, DINOV2 = named("patch16_224"), named("patch14_518")
CLIP = ("vit_base_patch16_224", "vit_large_patch14_224")


def _timm(
    source: str, form: str, variant: str, name: str, networks: tuple[str, ...], tiny: str | None = TINY, **options
):
    return Row(source, f"timm-{form}", variant, partial(by_timm, name, **options), networks, tiny)


def _hub(source: str, form: str, variant: str, model: str, networks: tuple[str, ...], **options) -> list[Row]:
    """Both names of one model of transformers."""
    saved = {"file": True, "in memory": False}
    makers = {name: partial(huggingface, model, saved=whether, **options) for name, whether in saved.items()}
    return [
        Row(f"transformers, {source}, {name}", f"huggingface-{form}", variant, make, networks, TINY)
        for name, make in makers.items()
    ]


REGISTERS = "vit_{}_patch14_reg4_dinov2"
ROWS = [
    _timm("timm", "vit", "timm", "vit_{}_patch16_224", SUPERVISED),
    _timm("timm, patch 8", "vit", "timm", "vit_{}_patch8_224", ("vit_base_patch8_224",), None),
    _timm("timm, 384 pixels", "vit", "timm", "vit_{}_patch16_384", ("vit_base_patch16_384",), None),
    _timm("timm, registers", "vit", "timm_reg", "vit_{}_patch16_224", ("vit_base_patch16_224",), reg_tokens=4),
    _timm("timm, DINOv2", "dinov2", "dinov2_timm", "vit_{}_patch14_dinov2", DINOV2),
    _timm("timm, DINOv2 with registers", "dinov2", "dinov2_reg_timm", REGISTERS, DINOV2),
    _timm("timm, CLIP", "clip", "clip", "vit_{}_patch16_clip_224", CLIP[:1]),
    _timm("timm, CLIP", "clip", "clip", "vit_{}_patch14_clip_224", CLIP[1:], None),
    Row("DINOv2's repository", "dinov2", "dinov2", partial(dinov2, registers=0), DINOV2, TINY),
    Row("DINOv2's repository, chunks", "dinov2", "dinov2", partial(dinov2, registers=0, chunks=4), DINOV2[:1], TINY),
    Row("DINOv2's repository, registers", "dinov2", "dinov2_reg", partial(dinov2, registers=4), DINOV2, TINY),
    Row("DINO's repository", "dino", "dino", dino, named("patch16_224", "patch8_224", sizes=("small", "base")), TINY),
    Row("MAE, RETFound", "mae", "mae", partial(mae, tuned=False), SUPERVISED[1:], TINY),
    Row("MAE, RETFound, fine-tuned", "mae-tuned", "mae_tuned", partial(mae, tuned=True), SUPERVISED[1:], TINY),
    Row("open_clip, BiomedCLIP's tower", "open-clip-timm", "timm", biomedclip, CLIP[:1], TINY),
    Row("open_clip", "open-clip", "clip", open_clip, CLIP, TINY),
    Row("torchvision", "torchvision-vit", "torchvision", torchvision, SUPERVISED[1:], TINY),
    *_hub("ViT", "vit", "transformers", "ViTModel", SUPERVISED),
    *_hub("ViT with head", "vit", "transformers", "ViTForImageClassification", SUPERVISED[1:2]),
    *_hub("MAE", "mae", "mae_transformers", "ViTMAEForPreTraining", SUPERVISED[1:], mask_ratio=0.0),
    *_hub("DINOv2 (RAD-DINO)", "dinov2", "dinov2_transformers", "Dinov2Model", DINOV2),
    *_hub("DINOv2 with registers", "dinov2", "dinov2_reg", "Dinov2WithRegistersModel", DINOV2),
    *_hub("CLIP", "clip", "clip_quick_transformers", "CLIPModel", CLIP),
]
