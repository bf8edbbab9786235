"""Defines a plain PyTorch ResNet with torchvision's tensor names, independent of our code, to check conversions."""

import numpy as np
import torch
from torch import Tensor, nn

EXPANSION = 4


class Basic(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, biases: bool, epsilon: float):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=biases)
        self.bn1 = nn.BatchNorm2d(width, epsilon)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=biases)
        self.bn2 = nn.BatchNorm2d(width, epsilon)
        self.downsample = None
        if stride != 1 or inputs != width:
            shortcut = nn.Conv2d(inputs, width, 1, stride, bias=biases)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(width, epsilon))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """Convolutions of 1x1, 3x3 and 1x1, and a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, stride_in_first: bool, biases: bool, epsilon: float):
        super().__init__()
        first, second = (stride, 1) if stride_in_first else (1, stride)
        outputs = width * EXPANSION
        self.conv1 = nn.Conv2d(inputs, width, 1, first, bias=biases)
        self.bn1 = nn.BatchNorm2d(width, epsilon)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=biases)
        self.bn2 = nn.BatchNorm2d(width, epsilon)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=biases)
        self.bn3 = nn.BatchNorm2d(outputs, epsilon)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=biases)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs, epsilon))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A ResNet of PyTorch. blocks: their number in each stage. num_classes: 0 for a network without head."""

    def __init__(
        self,
        blocks: tuple[int, ...] = (3, 4, 6, 3),
        width: int = 64,
        num_classes: int = 1000,
        *,
        bottleneck: bool = True,
        stride_in_first: bool = False,
        biases: bool = False,
        epsilon: float = 1e-5,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=biases)
        self.bn1 = nn.BatchNorm2d(width, epsilon)
        channels = width
        for stage, count in enumerate(blocks):
            layer, inner = [], width * 2**stage
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                if bottleneck:
                    layer.append(Bottleneck(channels, inner, stride, stride_in_first, biases, epsilon))
                else:
                    layer.append(Basic(channels, inner, stride, biases, epsilon))
                channels = inner * (EXPANSION if bottleneck else 1)
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layer))
        self.stages = [getattr(self, f"layer{stage + 1}") for stage in range(len(blocks))]
        self.fc = nn.Linear(channels, num_classes) if num_classes else None

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Returns `conv1` (after ReLU), `block1`, ... of `b c h w` images, and `logits` if there is a head."""
        found = {}
        y = found["conv1"] = torch.relu(self.bn1(self.conv1(x)))
        y = torch.max_pool2d(y, 3, 2, padding=1)
        for stage, layer in enumerate(self.stages, start=1):
            y = found[f"block{stage}"] = layer(y)
        if self.fc is not None:
            found["logits"] = self.fc(y.mean((2, 3)))
        return found


def outputs(network: ResNet, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns activations `b h w c` and logits `b k` of normalised images `b h w c`, in eval mode."""
    network.eval()
    with torch.no_grad():
        found = network(torch.from_numpy(images).permute(0, 3, 1, 2))
    return {name: (y.permute(0, 2, 3, 1) if y.ndim == 4 else y).numpy() for name, y in found.items()}
