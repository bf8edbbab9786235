"""Checks a conversion: our network, and where asked the original's, on one fixed batch of images."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from tljax import models
from tljax.core.errors import UserError
from tljax.models.normalisation import Normalisation
from tljax.models.resnet import ARCHITECTURES, VARIANTS
from tljax.weights.convert import Conversion
from tljax.weights.files import read
from tljax.weights.formats import formats, keras, torchvision

TOLERANCE = 1e-3  # of the largest value of a layer
LAST = "stages.3.0.bn3.scale"  # as long as the features that a head takes
RUN_ONCE = {"xla_backend_optimization_level": 0}  # compiles in a third of the time
SHAPE = (2, 64, 96, 3)  # wider than high, so that swapped axes show


def images(normalisation: Normalisation) -> Float[np.ndarray, "b h w 3"]:
    """The fixed batch."""
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.float32)
    return np.array(normalisation(jnp.asarray(pixels)))


def our_outputs(conversion: Conversion) -> dict[str, np.ndarray]:
    """Activations `b h w c` of the named layers and logits `b k`, which are left out where the file holds no head."""
    card, tensors = conversion.card, dict(conversion.tensors)
    if card.classes is None:
        tensors |= {"head.kernel": np.zeros((tensors[LAST].size, 1), np.float32), "head.bias": np.zeros(1, np.float32)}
    model = models.build_from(card.backbone, card.variant, tensors)
    model.eval()
    graph, state = nnx.split(model)
    forward = jax.jit(lambda state, x: nnx.merge(graph, state)(x), compiler_options=RUN_ONCE)
    found = forward(state, images(conversion.card.normalisation))
    outputs = {name: np.asarray(found.activations[name]) for name in model.named_layers}
    return outputs if card.classes is None else outputs | {"logits": np.asarray(found.logits)}


def original_outputs(path: Path, conversion: Conversion) -> dict[str, np.ndarray]:
    """The same of the network that the file at `path` was made for, computed by its own framework from its own tensors.

    Raises UserError where that framework is not installed or has no such network.
    """
    source, form, card = read(path), formats()[conversion.card.format], conversion.card
    framework = form.names.layout
    if importlib.util.find_spec(framework) is None:
        raise UserError(f"--verify needs {framework} to run the original network: pip install {framework}")
    names = {"torch": torchvision, "keras": keras}[framework].FORMAT.names.tensors(ARCHITECTURES[card.backbone].blocks)
    tensors = {names[ours]: source.tensors[theirs] for ours, theirs in conversion.origin.items()}
    if framework == "torch":
        return _by_torch(tensors, conversion)
    if (card.backbone, card.variant) != ("resnet50", "keras_v1"):
        raise UserError(f"keras.applications has no {card.backbone} of variant {card.variant} to verify against")
    from tljax.weights import reference_keras

    return reference_keras.outputs(tensors, images(conversion.card.normalisation), conversion.epsilon)


def original(conversion: Conversion) -> str:
    """What `original_outputs` runs."""
    if formats()[conversion.card.format].names.layout == "keras":
        return "keras.applications.ResNet50"
    return f"a plain PyTorch {conversion.card.backbone} of variant {conversion.card.variant}"


def differences(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> dict[str, float]:
    """Layer by layer, the largest difference relative to the layer's largest value."""
    return {name: float(np.abs(ours[name] - theirs[name]).max() / np.abs(theirs[name]).max()) for name in theirs}


def _by_torch(tensors: dict[str, np.ndarray], conversion: Conversion) -> dict[str, np.ndarray]:
    import torch

    from tljax.weights import reference_torch

    architecture, variant = ARCHITECTURES[conversion.card.backbone], VARIANTS[conversion.card.variant]
    with torch.device("meta"):  # the tensors are the file's own, of which no second copy is made
        network = reference_torch.ResNet(
            architecture.blocks,
            architecture.width,
            len(tensors["fc.bias"]) if "fc.bias" in tensors else 0,
            stride_in_first=variant.stride_in_first,
            biases="conv1.bias" in tensors,
            epsilon=variant.epsilon,
        )
    state = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    counters = [name for name, _ in network.named_buffers() if name.endswith("num_batches_tracked")]
    network.load_state_dict(state | dict.fromkeys(counters, torch.tensor(0)), strict=True, assign=True)
    return reference_torch.outputs(network, images(conversion.card.normalisation))
