"""The way back: a run or a weights folder as a torchvision-layout file, so that a result can leave JAX."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tljax.core.errors import UserError
from tljax.core.files import replacing
from tljax.models.resnet import ARCHITECTURES, VARIANTS
from tljax.weights.card import WeightsCard
from tljax.weights.files import CARD_KEY
from tljax.weights.folder import is_whole, load, writing
from tljax.weights.formats import torchvision
from tljax.weights.names import is_conv_bias, to_theirs

TARGETS = ("torch", "safetensors")


def export(folder: Path, out: Path, to: str) -> list[str]:
    """Writes the weights in `folder`, a weights folder or a finished run, to the file `out`; says what to know of it.

    to: one of TARGETS. The file appears whole or not at all. Raises UserError where `out` exists or cannot be written.
    """
    if out.exists():
        raise UserError(f"{out} exists already; remove it or name another file")
    run = folder / "checkpoint"
    tensors, card = load(run if is_whole(run) else folder)
    names = torchvision.NAMES.tensors(ARCHITECTURES[card.backbone].blocks)
    state = {names[ours]: to_theirs("torch", tensor) for ours, tensor in tensors.items()}
    with writing(out), replacing(out) as partial:
        _write(state, partial, to, card.to_json())
    return [_strides(card, tensors), _input(card)]


def _write(state: dict[str, np.ndarray], path: Path, to: str, card: str) -> None:
    import torch

    torch_state = {name: torch.from_numpy(tensor) for name, tensor in state.items()}
    if to == "torch":
        torch.save(torch_state, path)
    else:
        from safetensors.torch import save

        path.write_bytes(save(torch_state, metadata={CARD_KEY: card}))  # its save_file lets no one else read it


def _strides(card: WeightsCard, tensors: Mapping[str, np.ndarray]) -> str:
    variant = VARIANTS[card.variant]
    biases = sum(is_conv_bias(name) for name in tensors)
    if not variant.stride_in_first and not biases:
        return f"strides and names as torchvision's {card.backbone}, which loads the file as it is"
    return (
        f"a {card.variant} network: its {biases} convolution biases are in the file (conv1.bias, ...), the stride of a "
        f"stage is in its first 1x1 convolution, BatchNorm's epsilon is {variant.epsilon:g}; torchvision's "
        f"{card.backbone} gives wrong results unless it is given all three"
    )


def _input(card: WeightsCard) -> str:
    wanted = card.normalisation
    return (
        f"input: (pixel * {wanted.scale:.6g} - mean) / std, pixels 0..255 in {wanted.channels} order, "
        f"mean {wanted.mean}, std {wanted.std}"
    )
