"""Inception V3 and Inception-ResNet-V2 of torchvision, timm and Keras, and the forms in which RadImageNet has them."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from torch import Tensor, nn

from benchmarks.peers import Peer, Row
from benchmarks.peers.keras_peer import KerasPeer
from benchmarks.peers.resnet import of_stages, saved
from tljax.models import inception_resnet_v2, inception_v3
from tljax.weights.formats import radimagenet_inception_v3_torch
from tljax.weights.inception import resnet_v2, v3

SIDES = {"side": 75, "other_side": 110}  # the smallest images that there may be, and larger ones


def peer(network: nn.Module, stem: list[str], stages: list[list[str]], features: Callable[[Tensor], Tensor]) -> Peer:
    """Returns a network by the names of its modules."""
    first, *others = (network.get_submodule(name) for name in stem)
    blocks = [others, *([network.get_submodule(name) for name in stage] for stage in stages)]
    found = of_stages(network, first, blocks, features, partial(saved, network))
    found.side, found.other_side = SIDES.values()
    return found


def before(layer: nn.Module, network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Returns what gives the input of a layer of the network."""

    def features(x: Tensor) -> Tensor:
        given = []
        handle = layer.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
        network(x)
        handle.remove()
        return given[0]

    return features


def narrow(block: Callable[..., nn.Module], divisor: int) -> Callable[..., nn.Module]:
    """Returns a maker of convolutions of fewer channels."""

    def make(inputs: int, outputs: int, *arguments: Any, **options: Any) -> nn.Module:
        return block(inputs if inputs == 3 else inputs // divisor, outputs // divisor, *arguments, **options)

    return make


def v3_stages(architecture: str) -> list[list[str]]:
    """The names of the blocks of each stage."""
    stages = inception_v3.ARCHITECTURES[architecture].stages
    return [[v3.block_name(number, block) for block in range(len(stage))] for number, stage in enumerate(stages)]


def cut_v3(network: nn.Module, architecture: str, module: Any, conv_block: Callable[..., nn.Module]) -> None:
    """Takes the blocks out of torchvision's or timm's network that the tiny one does not have."""
    kept = {name for stage in v3_stages(architecture) for name in stage}
    for name, _ in list(network.named_children()):
        if name.startswith("Mixed_") and name not in kept:
            setattr(network, name, nn.Identity())
    size = inception_v3.ARCHITECTURES[architecture]
    network.Mixed_5b = module.InceptionA(192, pool_features=size.pooled[0], conv_block=conv_block)
    network.fc = nn.Linear(2048 // size.divisor, 5)


def v3_by_torchvision(architecture: str, clones: Path | None) -> Peer:
    from torchvision.models import inception

    size = inception_v3.ARCHITECTURES[architecture]
    conv = narrow(inception.BasicConv2d, size.divisor)
    parts = (inception.InceptionA, inception.InceptionB, inception.InceptionC, inception.InceptionD)
    blocks = [
        conv,
        *(partial(part, conv_block=conv) for part in (*parts, inception.InceptionE)),
        inception.InceptionAux,
    ]
    network = inception.Inception3(inception_blocks=blocks, transform_input=False, init_weights=False)
    if size.divisor > 1:
        cut_v3(network, architecture, inception, conv)
    return peer(network, list(v3.STEM), v3_stages(architecture), before(network.fc, network))


def v3_by_timm(architecture: str, clones: Path | None) -> Peer:
    module = importlib.import_module("timm.models.inception_v3")  # timm.models has a function of this name

    size = inception_v3.ARCHITECTURES[architecture]
    conv = narrow(module.ConvNormAct, size.divisor)
    with patch.object(module, "ConvNormAct", conv):
        network = module.InceptionV3()
    if size.divisor > 1:
        options = {"norm_kwargs": {"eps": 1e-3}, "padding": 0}
        cut_v3(network, architecture, module, lambda *sizes, **named: conv(*sizes, **(options | named)))
    return peer(
        network,
        list(v3.STEM),
        v3_stages(architecture),
        lambda x: network.forward_head(network.forward_features(x), pre_logits=True),
    )


def without_auxiliary(found: Peer) -> Peer:
    """Takes torchvision's auxiliary classifier out."""
    found.network.aux_logits, found.network.AuxLogits = False, None
    return found


class RadImageNet(nn.Module):
    """Inception V3 as the authors of RadImageNet save it."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.backbone = nn.Sequential(*list(network.children())[:-2])

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone(x).flatten(1)


def v3_by_radimagenet(architecture: str, clones: Path | None) -> Peer:
    original = v3_by_torchvision(architecture, clones)
    network = RadImageNet(without_auxiliary(original).network)
    number = radimagenet_inception_v3_torch.numbered
    stages = [list(map(number, stage)) for stage in v3_stages(architecture)]
    return peer(network, list(map(number, v3.STEM)), stages, network)


def resnet_v2_by_timm(architecture: str, clones: Path | None) -> Peer:
    module = importlib.import_module("timm.models.inception_resnet_v2")

    size = inception_resnet_v2.ARCHITECTURES[architecture]
    with patch.object(module, "ConvNormAct", narrow(module.ConvNormAct, size.divisor)):
        network = module.InceptionResnetV2()
    if size.divisor > 1:
        for name, count in zip(resnet_v2.REPEATED, (*size.blocks[:2], size.blocks[2] - 1), strict=True):
            setattr(network, name, nn.Sequential(*list(getattr(network, name))[:count]))
        for block in (*network.repeat, *network.repeat_1, *network.repeat_2, network.block8):
            wide = block.conv2d
            block.conv2d = nn.Conv2d(wide.in_channels // size.divisor, wide.out_channels // size.divisor, 1)
        network.classif = nn.Linear(network.num_features // size.divisor, 5)
    stages = [
        [resnet_v2.timm_block(architecture, stage, block) for block in range(len(parts))]
        for stage, parts in enumerate(size.stages)
    ]
    return peer(
        network,
        list(resnet_v2.STEM),
        stages,
        lambda x: network.forward_head(network.forward_features(x), pre_logits=True),
    )


@contextmanager
def narrow_keras(module: Any, divisor: int) -> Iterator[None]:
    """Lets keras.applications build a network of fewer channels."""
    made = module.conv2d_bn

    def conv2d_bn(x: Any, filters: int, *arguments: Any, **options: Any) -> Any:
        # a residual block's last convolution has as many channels as its input, which is narrow already
        return made(x, filters if options.get("use_bias") else filters // divisor, *arguments, **options)

    with patch.object(module, "conv2d_bn", conv2d_bn):
        yield


def units(network: Any) -> list[str]:
    """The activations of Keras' network in the order in which they were created."""
    numbered = [layer.name for layer in network.layers if layer.name.split("_")[0] == "activation"]
    return sorted(numbered, key=lambda name: int(name.partition("_")[2] or 0))


def v3_by_keras(file: str, architecture: str, clones: Path | None) -> KerasPeer:
    import keras
    from keras.src.applications import inception_v3 as module

    keras.layers.Dense(1)  # other layers of the session
    with narrow_keras(module, inception_v3.ARCHITECTURES[architecture].divisor):
        network = module.InceptionV3(weights=None, include_top=False, pooling="avg", input_shape=(None, None, 3))
    first, *stem = units(network)[: len(v3.STEM)]
    mixed = iter(f"mixed{number}" for number in range(11))
    layers = {"conv1": first, "features": network.layers[-1].name}
    layers |= {f"block1.{number}": name for number, name in enumerate(stem)}
    for stage, count in enumerate((3, 5, 3), start=2):
        layers |= {f"block{stage}.{block}": next(mixed) for block in range(count)}
    return KerasPeer(network, layers, **SIDES, file=file)


def resnet_v2_by_keras(file: str, architecture: str, clones: Path | None) -> KerasPeer:
    from keras.src.applications import inception_resnet_v2 as module

    size = inception_resnet_v2.ARCHITECTURES[architecture]
    full, kept = (
        dict(zip(resnet_v2.KERAS_BLOCKS, (10, 20, 10), strict=True)),
        dict(zip(resnet_v2.KERAS_BLOCKS, size.blocks, strict=True)),
    )
    made = module.inception_resnet_block

    def block(x: Any, scale: float, block_type: str, block_idx: int, activation: str | None = "relu") -> Any:
        """The first blocks of a kind, and the last one of them in the place of the last."""
        is_last = block_idx == full[block_type]
        if block_idx >= kept[block_type] and not is_last:
            return x
        return made(x, scale, block_type, kept[block_type] if is_last else block_idx, activation)

    with narrow_keras(module, size.divisor), patch.object(module, "inception_resnet_block", block):
        network = module.InceptionResNetV2(weights=None, include_top=False, pooling="avg", input_shape=(None, None, 3))
    first, *stem = units(network)[: len(v3.STEM)]
    layers = {"conv1": first, "features": network.layers[-1].name}
    layers |= {f"block1.{number}": name for number, name in enumerate(stem)}
    for number, (kind, mixed) in enumerate(zip(resnet_v2.KERAS_BLOCKS, resnet_v2.FIRST, strict=True), start=2):
        layers[f"block{number}.0"] = mixed
        layers |= {f"block{number}.{block}": f"{kind}_{block}_ac" for block in range(1, kept[kind] + 1)}
    last = kept["block8"]
    layers[f"block4.{last}"] = next(
        layer.name for layer in network.layers if layer.output is network.get_layer("conv_7b").input
    )
    layers[f"block4.{last + 1}"] = "conv_7b_ac"
    return KerasPeer(network, layers, **SIDES, file=file)


V3, RESNET_V2 = ("inception_v3",), ("inception_resnet_v2",)
ROWS = [
    Row("torchvision", "torchvision-inception-v3", "torch", v3_by_torchvision, V3, "inception_v3_tiny"),
    Row("timm", "torchvision-inception-v3", "torch", v3_by_timm, V3, "inception_v3_tiny"),
    Row("Keras", "keras-inception-v3", "keras", partial(v3_by_keras, "weights.keras"), V3),
    Row("RadImageNet's Keras", "radimagenet-inception-v3", "keras", partial(v3_by_keras, "weights.h5"), V3),
    Row("RadImageNet's PyTorch", "radimagenet-inception-v3-torch", "torch", v3_by_radimagenet, V3, "inception_v3_tiny"),
    Row("timm", "timm-inception-resnet-v2", "torch", resnet_v2_by_timm, RESNET_V2, "inception_resnet_v2_tiny"),
    Row(
        "Keras",
        "keras-inception-resnet-v2",
        "keras",
        partial(resnet_v2_by_keras, "weights.keras"),
        RESNET_V2,
        "inception_resnet_v2_tiny",
    ),
    Row(
        "RadImageNet's Keras",
        "radimagenet-inception-resnet-v2",
        "keras",
        partial(resnet_v2_by_keras, "weights.h5"),
        RESNET_V2,
    ),
]
