"""Builds the original network of a weights file with its own library, for `--verify`.

A format names the library and the function that builds the network there:

    reference=by_torch("torchvision", original)  # tensors by the format's names
    reference=by_keras({"densenet121": "DenseNet121"}, layers)

`original` takes the card, the file's tensors by the library's names, and the shape `b h w c` of the images. It returns
an `Original`, which states the modules of the library whose outputs are our named layers.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tljax.core.errors import UserError
from tljax.models import HEAD
from tljax.weights.card import WeightsCard
from tljax.weights.convert import Conversion
from tljax.weights.files import Source
from tljax.weights.formats import formats
from tljax.weights.names import Names, in_file, some

_DECLARED: list = []  # keeps library objects alive, and with them their declarations
# the last parts of the names of tensors that a library computes itself or never reads
UNSET = ("num_batches_tracked", "relative_position_index", "attn.k_bias", "rope.periods", "inv_freq", "position_ids")
LOGITS, HEAD_BIAS = "logits", f"{HEAD}bias"

Outputs = tuple[str, dict[str, np.ndarray]]  # what was run, and its activations `b h w c` and logits `b k`
Reference = Callable[[Source, Conversion, np.ndarray], Outputs]
Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Hook:
    """Where one of our layers is in a PyTorch network."""

    module: str
    change: Callable[[Any], Any] = lambda y: y.permute(0, 2, 3, 1)
    """Converts the module's output to `b h w c`."""
    of_input: bool = False
    """Whether the layer is the module's input instead of its output."""


@dataclass(frozen=True)
class Original:
    """A library's network into which the file's tensors are loaded."""

    title: str
    """The name in messages: 'torchvision.models.densenet121'."""
    network: Any
    layers: Mapping[str, Hook]
    """Our named layers. If the file holds a head, `logits` are added from the network's output."""
    run: Callable[[Any], Any] | None = None
    """Computes logits `b k` from images `b c h w`; None: call the network itself."""
    unread: tuple[str, ...] = ()
    """Prefixes of the names of the network's tensors that these layers do not use."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Name in the format -> name in the network, for names that differ."""


def by_torch(
    package: str,
    build: Callable[[WeightsCard, Tensors, tuple[int, ...]], Original],
    names: Callable[[str, str], Names] | None = None,
) -> Reference:
    """Returns a `Format.reference` that runs a network of a PyTorch library.

    names: where that library keeps our tensors; None: the names of the format.
    """

    def reference(source: Source, conversion: Conversion, images: np.ndarray) -> Outputs:
        _want(package)
        import torch

        card = conversion.card
        named = (names or formats()[card.format].names)(card.backbone, card.variant)
        tensors = tensors_by(named, source, conversion)
        original = build(card, tensors, images.shape)
        state = {original.names.get(name, name): torch.from_numpy(np.array(value)) for name, value in tensors.items()}
        _load(original, state)
        return original.title, _run(original, images, has_head=HEAD_BIAS in named and HEAD_BIAS in conversion.origin)

    return reference


def by_keras(networks: Mapping[str, str], layers: Callable[[str], Mapping[str, str]]) -> Reference:
    """Returns a `Format.reference` that runs a network of keras.applications.

    networks: our backbone -> the name of Keras' function. layers: returns, for a backbone, each of our named layers and
    `logits` -> the Keras layer with the same output. The names of the format must be those of the current Keras.
    """

    def reference(source: Source, conversion: Conversion, images: np.ndarray) -> Outputs:
        card = conversion.card
        if card.backbone not in networks:
            raise UserError(f"keras.applications has no {card.backbone} of variant {card.variant} to compare with")
        from tljax.weights import reference_keras

        tensors = tensors_by(formats()[card.format].names(card.backbone, card.variant), source, conversion)
        network = networks[card.backbone]
        found = reference_keras.outputs(network, layers(card.backbone), tensors, images, conversion.epsilon)
        return f"keras.applications.{network}", found

    return reference


def tensors_by(names: Names, source: Source, conversion: Conversion) -> dict[str, np.ndarray]:
    """Returns the file's tensors under other names of the same layout."""
    return {
        theirs: source.tensors[own]
        for ours, origin in conversion.origin.items()
        if ours in names
        for theirs, own in zip(in_file(names[ours]), origin, strict=True)
    }


def _want(package: str) -> None:
    """Raises UserError that says how to install a missing library."""
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"--verify runs the original network with {package}, which is not installed: pip install {package}, or "
            "leave out --verify"
        )
    declare_torchvision_operators()
    try:
        importlib.import_module(package)
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"--verify runs the original network with {package}, which cannot be imported: {error}"
        ) from None


def declare_torchvision_operators() -> None:
    """Makes torchvision importable if its compiled part does not fit the installed torch.

    torchvision then lacks two operators, which are declared here. The networks that run here do not use them.
    """
    import torch

    try:
        importlib.import_module("torchvision")
    except ImportError:
        return
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)
        for module in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[module]  # left by the failed import


def _load(original: Original, state: dict[str, Any]) -> None:
    found = original.network.load_state_dict(state, strict=False)
    missing = [name for name in found.missing_keys if not name.endswith(UNSET) and not name.startswith(original.unread)]
    if different := [*missing, *found.unexpected_keys]:
        raise UserError(
            f"--verify: {original.title} of the installed version has other tensors than the file: {some(different)}"
        )
    original.network.eval()


def _run(original: Original, images: np.ndarray, *, has_head: bool) -> dict[str, np.ndarray]:
    import torch

    seen: dict[str, Any] = {}

    def keep(layer: str, of_input: bool) -> Callable:
        def kept(_module: Any, given: tuple, named: dict, output: Any) -> None:
            found = (*given, *named.values())[0] if of_input else output
            found = found[0] if isinstance(found, tuple) else found
            seen[layer] = found.clone()  # later code may change it in place

        return kept

    handles = [
        original.network.get_submodule(hook.module).register_forward_hook(keep(layer, hook.of_input), with_kwargs=True)
        for layer, hook in original.layers.items()
    ]
    with torch.no_grad():
        logits = (original.run or original.network)(torch.from_numpy(images).permute(0, 3, 1, 2))
        found = {layer: hook.change(seen[layer]) for layer, hook in original.layers.items()}
    for handle in handles:
        handle.remove()
    found |= {LOGITS: logits} if has_head else {}
    return {layer: value.numpy() for layer, value in found.items()}
