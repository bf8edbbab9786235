"""DINOv3 of timm and transformers."""

from functools import partial
from pathlib import Path

from torch import Tensor

from benchmarks.peers import Peer, Row
from benchmarks.peers.vit import save_pretrained, save_state, sizes_of, transformer
from tljax.models.dinov3 import ARCHITECTURES

TINY = "dinov3_tiny"
FULL = tuple(name for name in ARCHITECTURES if name != TINY)


def by_timm(biases: str, architecture: str, clones: Path | None) -> Peer:
    import timm

    size = ARCHITECTURES[architecture]
    known = "base" if architecture == TINY else architecture.removeprefix("dinov3_")
    sizes = sizes_of(size) | {"img_size": 64} if architecture == TINY else {}
    network = timm.create_model(f"vit_{known}_patch16_dinov3{biases}", num_classes=0, global_pool="token", **sizes)
    return transformer(network, network.blocks, network, size, prefix=network.num_prefix_tokens)


def huggingface(saved: bool, architecture: str, clones: Path | None) -> Peer:
    import transformers

    size = ARCHITECTURES[architecture]
    config = transformers.DINOv3ViTConfig(
        hidden_size=size.width,
        num_hidden_layers=size.depth,
        num_attention_heads=size.heads,
        patch_size=size.patch,
        intermediate_size=4 * size.width,
        num_register_tokens=4,
    )
    network = transformers.DINOv3ViTModel(config)

    def features(x: Tensor) -> Tensor:
        return network(x).pooler_output

    save = partial(save_pretrained if saved else save_state, network)
    return transformer(network, network.model.layer, features, size, prefix=5, save=save)


ROWS = [
    Row("timm", "timm-dinov3", "no_bias", partial(by_timm, ""), FULL, TINY),
    Row("timm, biases", "timm-dinov3", "qv_bias", partial(by_timm, "_qkvb"), FULL, TINY),
    Row("transformers, file", "huggingface-dinov3", "qv_bias", partial(huggingface, True), FULL, TINY),
    Row("transformers, in memory", "huggingface-dinov3", "qv_bias", partial(huggingface, False), FULL, TINY),
]
