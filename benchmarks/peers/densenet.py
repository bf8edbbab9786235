"""DenseNets of torchvision, timm, Keras, the RadImageNet authors and TorchXRayVision."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.peers import Peer, Row
from benchmarks.peers.keras_peer import KerasPeer
from benchmarks.peers.resnet import saved
from tljax.models.densenet import ARCHITECTURES

CLASSES = 7
FULL, TINY = ("densenet121", "densenet169"), "densenet_tiny"


def of_blocks(
    network: nn.Module,
    parts: nn.Module,
    architecture: str,
    features: Callable[[Tensor], Tensor],
    save: Callable[[Path], Path],
    last: Callable[[Tensor], Tensor],
) -> Peer:
    """parts: the modules conv0 .. norm5. last: of the output of norm5, gives the last layer."""
    hooks = {"conv1": parts.norm0 if not hasattr(parts, "relu0") else parts.relu0, "last": parts.norm5}
    layers = {"conv1": lambda seen: seen["conv1"].permute(0, 2, 3, 1)}
    blocks = ARCHITECTURES[architecture].blocks

    def grown(block: int, layer: int, seen: dict) -> Tensor:
        """What a dense layer gives joined with all that came before it."""
        start = seen[f"{block}.0.in"]
        if not isinstance(start, list):  # TorchXRayVision's layers join themselves
            return seen[f"{block}.{layer}"].permute(0, 2, 3, 1)
        return torch.cat([start[0], *(seen[f"{block}.{other}"] for other in range(layer + 1))], 1).permute(0, 2, 3, 1)

    for block, count in enumerate(blocks, start=1):
        for layer in range(count):
            hooks[f"{block}.{layer}"] = getattr(getattr(parts, f"denseblock{block}"), f"denselayer{layer + 1}")
            layers[f"block{block}.{layer}"] = partial(grown, block, layer)
    layers[f"block{len(blocks)}"] = lambda seen: last(seen["last"]).permute(0, 2, 3, 1)
    return Peer(network, layers, hooks, features, save, 64, 90)  # 90: average pooling leaves odd rows out


def pooled(parts: nn.Module, last: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return last(parts(x)).mean((2, 3))


def by_torchvision(architecture: str, clones: Path | None, change: Callable[[dict], dict] = dict) -> Peer:
    """change: of the names, as old files have them."""
    from torchvision.models import DenseNet

    size = ARCHITECTURES[architecture]
    network = DenseNet(size.growth, size.blocks, 2 * size.growth, num_classes=CLASSES)

    def features(x: Tensor) -> Tensor:
        given = []
        handle = network.classifier.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
        network(x)
        handle.remove()
        return given[0]

    def save(folder: Path) -> Path:
        path = folder / "weights.pth"
        torch.save(change(network.state_dict()), path)
        return path

    return of_blocks(network, network.features, architecture, features, save, torch.relu)


def as_first_files(state: dict) -> dict:
    """The names of torchvision's first files."""
    dotted = {part + number: f"{part}.{number}" for part in ("norm", "conv") for number in "12"}

    def old(name: str) -> str:
        return ".".join(dotted.get(part, part) if "denselayer" in name else part for part in name.split("."))

    return {old(name): tensor for name, tensor in state.items()}


def radimagenet(architecture: str, clones: Path | None) -> Peer:
    """The children of torchvision's network but the last, as the authors' PyTorch code cuts it."""
    from torchvision.models import DenseNet

    size = ARCHITECTURES[architecture]
    network = nn.Module()
    network.backbone = nn.Sequential(*list(DenseNet(size.growth, size.blocks, 2 * size.growth).children())[:-1])
    (parts,) = network.backbone
    features = partial(pooled, network.backbone, lambda y: y)
    return of_blocks(network, parts, architecture, features, partial(saved, network), lambda y: y)


def by_timm(architecture: str, clones: Path | None) -> Peer:
    from timm.models.densenet import DenseNet

    size = ARCHITECTURES[architecture]
    network = DenseNet(size.growth, size.blocks, num_classes=CLASSES)

    def features(x: Tensor) -> Tensor:
        return network.forward_head(network.forward_features(x), pre_logits=True)

    return of_blocks(network, network.features, architecture, features, partial(saved, network), lambda y: y)


def xrv(architecture: str, clones: Path | None, *, whole: bool) -> Peer:
    """whole: saved as the pickled model."""
    from torchxrayvision.models import DenseNet

    size = ARCHITECTURES[architecture]
    network = DenseNet(size.growth, size.blocks, 2 * size.growth)

    def save(folder: Path) -> Path:
        path = folder / "weights.pt"
        torch.save(network if whole else network.state_dict(), path, _use_new_zipfile_serialization=not whole)
        return path

    peer = of_blocks(network, network.features, architecture, network.features2, save, torch.relu)
    peer.channels = 1
    return peer


def by_keras(architecture: str, clones: Path | None) -> KerasPeer:
    """keras.applications' layers; its own function knows the growth of 32 alone."""
    import keras
    from keras.src.applications import densenet

    size = ARCHITECTURES[architecture]
    layers = {"conv1": "conv1_relu", "features": "avg_pool", f"block{len(size.blocks)}": "relu"}
    for block, count in enumerate(size.blocks, start=1):
        layers |= {f"block{block}.{layer}": f"conv{block + 1}_block{layer + 1}_concat" for layer in range(count)}
    if architecture != TINY:
        options = {"include_top": False, "pooling": "avg", "weights": None, "input_shape": (None, None, 3)}
        return KerasPeer(densenet.DenseNet(list(size.blocks), **options), layers, other_side=90)

    def norm(name: str):
        return keras.layers.BatchNormalization(epsilon=1.001e-5, name=name)

    x = inputs = keras.layers.Input((None, None, 3))
    x = keras.layers.ZeroPadding2D(3)(x)
    x = keras.layers.Conv2D(2 * size.growth, 7, strides=2, use_bias=False, name="conv1_conv")(x)
    x = keras.layers.Activation("relu", name="conv1_relu")(norm("conv1_bn")(x))
    x = keras.layers.MaxPooling2D(3, strides=2)(keras.layers.ZeroPadding2D(1)(x))
    for block, count in enumerate(size.blocks, start=2):
        x = densenet.transition_block(x, 0.5, f"pool{block - 1}") if block > 2 else x
        for layer in range(count):
            x = densenet.conv_block(x, size.growth, f"conv{block}_block{layer + 1}")
    x = keras.layers.Activation("relu", name="relu")(norm("bn")(x))
    return KerasPeer(
        keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)), layers, other_side=90
    )


ROWS = [
    Row("torchvision", "torchvision-densenet", "torch", by_torchvision, FULL, TINY),
    Row(
        "torchvision, old names",
        "torchvision-densenet",
        "torch",
        partial(by_torchvision, change=as_first_files),
        FULL,
        TINY,
    ),
    Row("timm", "torchvision-densenet", "torch", by_timm, FULL, TINY),
    Row("RadImageNet, PyTorch", "radimagenet-densenet-torch", "torch_no_relu", radimagenet, FULL, TINY),
    Row("TorchXRayVision, whole model", "torchxrayvision", "torch_grey", partial(xrv, whole=True), FULL, TINY),
    Row("TorchXRayVision, state dict", "torchxrayvision", "torch_grey", partial(xrv, whole=False), FULL, TINY),
    Row("Keras", "keras-densenet", "keras", by_keras, FULL, TINY),
]
