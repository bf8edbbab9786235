"""Networks of other libraries, for comparisons: one file per family, which lists its rows in ROWS."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tljax.weights.reference import declare_torchvision_operators


@dataclass(frozen=True)
class Row:
    """A source of one family."""

    source: str  # for the table
    format: str  # of tljax.weights.formats, by which its files are to be recognised
    variant: str  # of our family, as which they are to be read
    make: Callable[[str, Path | None], "Peer"]  # (architecture, folder of clones) -> the source's network
    architectures: tuple[str, ...]
    tiny: str | None = None  # the tiny architecture that the source can build


@dataclass
class Peer:
    """A network of another library, and how to look into it."""

    network: torch.nn.Module
    layers: dict[str, Callable[[dict[str, Any]], torch.Tensor]]
    """Our layer -> its activation `b h w c` from what the hooks saw."""
    hooks: dict[str, torch.nn.Module]
    """Name -> module, whose input and output are shown under '<name>.in' and '<name>'."""
    features: Callable[[torch.Tensor], torch.Tensor]
    """Images `b c h w` -> features `b c`."""
    save: Callable[[Path], Path]
    """Folder -> the file that the library saves in it."""
    side: int
    other_side: int
    resized: Callable[[int], "Peer"] | None = None
    """For libraries that build another network for images of another size."""
    channels: int = 3
    seen: dict[str, Any] = field(default_factory=dict)


declare_torchvision_operators()


def randomise(network: torch.nn.Module, seed: int = 0) -> None:
    """Gives every tensor random values of which none is trivial: no zero bias, no unit scale or variance."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.copy_(1 + 0.2 * noise.clamp(-3, 3))
            elif tensor.ndim >= 2 and name.endswith(("weight", "proj")):
                tensor.copy_(noise * (1 / tensor[0].numel()) ** 0.5)
            else:
                tensor.copy_(0.3 * noise)
    network.eval()


def images(side: int, channels: int = 3) -> np.ndarray:
    """Returns two normalised images `b h w c`."""
    return np.random.default_rng(side).standard_normal((2, side, side, channels), np.float32)


def outputs(peer: Peer, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns features `b c` and activations `b h w c` by our names of the layers."""
    peer = peer.resized(images.shape[1]) if peer.resized and images.shape[1] != peer.side else peer
    seen: dict[str, Any] = {"shape": images.shape}
    handles = []

    def watch(name: str) -> Callable:
        def hook(module, arguments, named, output):
            seen[f"{name}.in"] = arguments[0] if arguments else next(iter(named.values()))
            seen[name] = output[0] if isinstance(output, tuple) else output

        return hook

    for name, module in peer.hooks.items():
        handles.append(module.register_forward_hook(watch(name), with_kwargs=True))
    with torch.no_grad():
        found = {"features": peer.features(torch.from_numpy(images).permute(0, 3, 1, 2))}
    for handle in handles:
        handle.remove()
    found |= {layer: read(seen) for layer, read in peer.layers.items()}
    return {name: value.numpy() for name, value in found.items()}
