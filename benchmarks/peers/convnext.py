"""ConvNeXts of torchvision, timm, transformers and Keras."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers import Peer, Row
from benchmarks.peers.keras_peer import KerasPeer
from tljax.models.convnext import ARCHITECTURES
from tljax.models.normalisation import NORMALISATIONS

TINY = "convnext_micro"
FULL = tuple(name for name in ARCHITECTURES if name != TINY)


def of_stages(
    network: nn.Module,
    stem: nn.Module,
    stages: Sequence[Sequence[nn.Module]],
    features: Callable[[Tensor], Tensor],
    save: Callable[[Path], Path] | None = None,
) -> Peer:
    """Returns a network whose stem and blocks give `b c h w`."""
    hooks = {"stem": stem} | {
        f"stage{stage}.{number}": block
        for stage, of_stage in enumerate(stages, start=1)
        for number, block in enumerate(of_stage)
    }

    def grid(name: str, seen: dict) -> Tensor:
        return seen[name].permute(0, 2, 3, 1)

    layers = {name: partial(grid, name) for name in hooks}
    return Peer(network, layers, hooks, features, save or partial(save_state, network), 64, 90)


def save_state(network: nn.Module, folder: Path) -> Path:
    """Saves the tensors alone."""
    path = folder / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def by_torchvision(architecture: str, clones: Path | None) -> Peer:
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    size = ARCHITECTURES[architecture]
    following = (*size.widths[1:], None)
    config = [CNBlockConfig(*stage) for stage in zip(size.widths, following, size.blocks, strict=True)]
    network = ConvNeXt(config, num_classes=7)
    stages = [network.features[place] for place in (1, 3, 5, 7)]

    def features(x: Tensor) -> Tensor:
        return network.classifier[:2](network.avgpool(network.features(x)))

    return of_stages(network, network.features[0], stages, features)


def by_timm(name: str, architecture: str, clones: Path | None = None, *, classes: int = 7) -> Peer:
    """name: of timm's model, in which {} is the size."""
    import timm

    size = ARCHITECTURES[architecture]
    known = name.format("tiny" if architecture == TINY else architecture.removeprefix("convnext_"))
    sizes = {"depths": size.blocks, "dims": size.widths} if architecture == TINY else {}
    network = timm.create_model(known, num_classes=classes, **sizes)

    def features(x: Tensor) -> Tensor:
        return network.forward_head(network.forward_features(x), pre_logits=True)

    return of_stages(network, network.stem, [stage.blocks for stage in network.stages], features)


def by_authors(architecture: str, clones: Path | None) -> Peer:
    """timm's network, whose tensors are saved with the names that its own reader of the authors' files expects."""
    peer = by_timm("convnext_{}", architecture)
    changes = (
        (r"stem\.", "downsample_layers.0."),
        (r"stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
        (r"\.blocks\.", "."),
        (r"conv_dw", "dwconv"),
        (r"mlp\.fc", "pwconv"),
        (r"head\.norm", "norm"),
        (r"head\.fc", "head"),
    )

    def save(folder: Path) -> Path:
        state = peer.network.state_dict()
        for pattern, theirs in changes:
            state = {re.sub(pattern, theirs, name): tensor for name, tensor in state.items()}
        path = folder / "weights.pth"
        torch.save({"model": state}, path)
        return path

    peer.save = save
    return peer


def huggingface(architecture: str, clones: Path | None) -> Peer:
    import transformers

    size = ARCHITECTURES[architecture]
    config = transformers.ConvNextConfig(hidden_sizes=list(size.widths), depths=list(size.blocks))
    network = transformers.ConvNextForImageClassification(config)

    def save(folder: Path) -> Path:
        network.save_pretrained(folder)
        return folder / "model.safetensors"

    body = network.convnext
    stages = [stage.layers for stage in body.encoder.stages]
    return of_stages(network, body.embeddings, stages, lambda x: body(x).pooler_output, save)


def huggingface_dinov3(architecture: str, clones: Path | None) -> Peer:
    import transformers

    size = ARCHITECTURES[architecture]
    config = transformers.DINOv3ConvNextConfig(hidden_sizes=list(size.widths), depths=list(size.blocks))
    network = transformers.DINOv3ConvNextModel(config)

    def save(folder: Path) -> Path:
        network.save_pretrained(folder)
        return folder / "model.safetensors"

    stages = network.model.stages
    blocks = [stage.layers for stage in stages]
    return of_stages(network, stages[0].downsample_layers[1], blocks, lambda x: network(x).pooler_output, save)


class OfPixels(KerasPeer):
    """A network that normalises pixels 0..255 itself, and whose blocks end in an operation that is no layer."""

    def outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        import jax
        import keras

        imagenet = NORMALISATIONS["imagenet"]
        mean, std = (255 * np.asarray(values, np.float32) for values in (imagenet.mean, imagenet.std))
        operations = {operation.name: operation.output for operation in self.network.operations}
        probe = keras.Model(self.network.input, {name: operations[end] for name, end in self.layers.items()})
        with jax.default_matmul_precision("highest"):
            return {name: np.asarray(y) for name, y in probe.predict(images * std + mean, verbose=0).items()}


def by_keras(is_pooled: bool, architecture: str, clones: Path | None) -> KerasPeer:
    """is_pooled: by Keras, before the last LayerNorm; else by the user, behind it."""
    import keras
    from keras.src.applications import convnext

    size = ARCHITECTURES[architecture]
    network: Any = convnext.ConvNeXt(
        size.blocks,
        size.widths,
        name=architecture,
        weights=None,
        include_top=False,
        pooling="avg" if is_pooled else None,
        input_shape=(None, None, 3),
    )
    if not is_pooled:
        network = keras.Model(network.input, keras.layers.GlobalAveragePooling2D()(network.output))
    ends = iter([operation.name for operation in network.operations if type(operation).__name__ == "Add"])
    layers = {"stem": f"{architecture}_stem", "features": network.layers[-1].name}
    for stage, count in enumerate(size.blocks, start=1):
        layers |= {f"stage{stage}.{block}": next(ends) for block in range(count)}
    return OfPixels(network, layers, other_side=90)


ROWS = [
    Row("torchvision", "torchvision-convnext", "torch", by_torchvision, FULL, TINY),
    Row("timm", "timm-convnext", "torch", partial(by_timm, "convnext_{}"), FULL, TINY),
    Row("timm, DINOv3", "timm-convnext", "torch", partial(by_timm, "convnext_{}.dinov3_lvd1689m", classes=0), FULL),
    Row("ConvNeXt's repository", "convnext", "torch", by_authors, FULL[:1], TINY),
    Row("transformers", "huggingface-convnext", "transformers", huggingface, FULL, TINY),
    Row("transformers, DINOv3", "huggingface-dinov3-convnext", "torch", huggingface_dinov3, FULL, TINY),
    Row("Keras", "keras-convnext", "keras", partial(by_keras, True), FULL, TINY),
    Row("Keras, pooled by the user", "keras-convnext", "keras_norm_first", partial(by_keras, False), FULL[:1], TINY),
]
