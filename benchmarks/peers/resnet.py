"""ResNets of torchvision, timm, transformers and Keras."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.peers import Peer, Row
from benchmarks.peers.keras_peer import KerasPeer
from tljax.models.resnet import ARCHITECTURES

FULL = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
KERAS = {"resnet50": "ResNet50", "resnet101": "ResNet101", "resnet152": "ResNet152"}


def of_stages(
    network: nn.Module,
    stem: nn.Module,
    stages: Sequence[Sequence[nn.Module]],
    features: Callable[[Tensor], Tensor],
    save: Callable[[Path], Path],
) -> Peer:
    """Returns a network whose stem and blocks give `b c h w`."""
    blocks = {
        f"block{stage}.{number}": block
        for stage, of_stage in enumerate(stages, start=1)
        for number, block in enumerate(of_stage)
    }
    hooks = {"conv1": stem} | blocks

    def grid(name: str, seen: dict) -> Tensor:
        return seen[name].permute(0, 2, 3, 1)

    return Peer(network, {name: partial(grid, name) for name in hooks}, hooks, features, save, 64, 96)


def saved(network: nn.Module, folder: Path) -> Path:
    """Saves the tensors alone."""
    path = folder / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def by_torchvision(architecture: str, clones: Path | None) -> Peer:
    import torchvision

    network = torchvision.models.get_model(architecture, weights=None)

    def features(x: Tensor) -> Tensor:
        given = []
        handle = network.fc.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
        network(x)
        handle.remove()
        return given[0]

    stages = [getattr(network, f"layer{stage}") for stage in range(1, 5)]
    return of_stages(network, network.relu, stages, features, partial(saved, network))


def by_timm(architecture: str, clones: Path | None) -> Peer:
    import timm

    network = timm.create_model(architecture)
    stages = [getattr(network, f"layer{stage}") for stage in range(1, 5)]

    def features(x: Tensor) -> Tensor:
        return network.forward_head(network.forward_features(x), pre_logits=True)

    return of_stages(network, network.act1, stages, features, partial(saved, network))


def huggingface(architecture: str, clones: Path | None) -> Peer:
    import transformers

    size = ARCHITECTURES[architecture]
    config = transformers.ResNetConfig(
        embedding_size=size.width,
        hidden_sizes=[size.width * 2**stage * size.expansion for stage in range(4)],
        depths=list(size.blocks),
        layer_type="bottleneck" if size.bottleneck else "basic",
    )
    network = transformers.ResNetForImageClassification(config)

    def save(folder: Path) -> Path:
        network.save_pretrained(folder)
        return folder / "model.safetensors"

    stages = [stage.layers for stage in network.resnet.encoder.stages]
    return of_stages(
        network, network.resnet.embedder.embedder, stages, lambda x: network.resnet(x).pooler_output.flatten(1), save
    )


def by_keras(architecture: str, clones: Path | None) -> KerasPeer:
    import keras

    network = getattr(keras.applications, KERAS[architecture])(
        weights=None, include_top=False, pooling="avg", input_shape=(None, None, 3)
    )
    layers = {"conv1": "conv1_relu", "features": "avg_pool"}
    for stage, count in enumerate(ARCHITECTURES[architecture].blocks, start=1):
        layers |= {f"block{stage}.{block}": f"conv{stage + 1}_block{block + 1}_out" for block in range(count)}
    return KerasPeer(network, layers)


ROWS = [
    Row("torchvision", "torchvision", "torch_v1.5", by_torchvision, FULL),
    Row("timm", "torchvision", "torch_v1.5", by_timm, FULL),
    Row("transformers", "huggingface", "torch_v1.5", huggingface, FULL),
    Row("Keras", "keras", "keras_v1", by_keras, tuple(KERAS)),
]
