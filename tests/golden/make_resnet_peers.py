"""Writes resnet_peers.npz: what transformers and timm compute from the tests' weights of tiny ResNets.

    PYTHONPATH=.:tests python tests/golden/make_resnet_peers.py

One array a source and layer, '<source> <blocks> <layer>': evenly spaced values of the flattened activation.
"""

from pathlib import Path

import numpy as np
import torch
from weight_files import BASIC, SMALL, TEN, counters, in_format, random_tensors, sample, to_torch

from tljax.models.normalisation import NORMALISATIONS
from tljax.models.resnet import ARCHITECTURES, Architecture
from tljax.weights import verify
from tljax.weights.reference import declare_torchvision_operators

KINDS = {"transformers": {"basic": BASIC, "small": SMALL}, "timm": {"ten": TEN}}  # source -> our architectures


def transformers_outputs(name: str, size: Architecture, x: torch.Tensor) -> dict[str, torch.Tensor]:
    from transformers import ResNetConfig, ResNetModel

    widths = [size.width * 2**stage * size.expansion for stage in range(len(size.blocks))]
    config = ResNetConfig(
        embedding_size=size.width,
        hidden_sizes=widths,
        depths=list(size.blocks),
        layer_type="bottleneck" if size.bottleneck else "basic",
    )
    network = ResNetModel(config).eval()
    state = in_format(random_tensors(name, "torch_v1.5"), "huggingface-backbone", name)
    network.load_state_dict(to_torch(state | counters(state)))
    found = network(x, output_hidden_states=True)
    stages = {f"block{stage}": grid for stage, grid in enumerate(found.hidden_states[1:], start=1)}
    return {"conv1": network.embedder.embedder(x), **stages, "features": found.pooler_output.flatten(1)}


def timm_outputs(name: str, size: Architecture, x: torch.Tensor) -> dict[str, torch.Tensor]:
    from timm.models.resnet import BasicBlock, ResNet

    network = ResNet(BasicBlock, size.blocks, num_classes=3).eval()  # always 64 wide
    state = in_format(random_tensors(name, "torch_v1.5"), "torchvision", name)
    network.load_state_dict(to_torch(state | counters(state)))
    y, found = network.act1(network.bn1(network.conv1(x))), {}
    found["conv1"], y = y, network.maxpool(y)
    for stage in range(1, len(size.blocks) + 1):
        y = found[f"block{stage}"] = getattr(network, f"layer{stage}")(y)
    return found | {"features": network.forward_head(y, pre_logits=True)}


def main() -> None:
    declare_torchvision_operators()
    x = torch.from_numpy(verify.images(NORMALISATIONS["imagenet"])).permute(0, 3, 1, 2)
    arrays = {}
    for source, outputs in (("transformers", transformers_outputs), ("timm", timm_outputs)):
        for name, size in KINDS[source].items():
            ARCHITECTURES[name] = size
            with torch.no_grad():
                found = outputs(name, size, x)
            for layer, values in found.items():
                ours = values.permute(0, 2, 3, 1) if values.ndim == 4 else values
                arrays[f"{source} {name} {layer}"] = sample(ours.numpy())
    np.savez_compressed(Path(__file__).with_name("resnet_peers.npz"), **arrays)


if __name__ == "__main__":
    main()
