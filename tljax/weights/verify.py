"""Checks a conversion: runs our network and, with `--verify`, the original one on a fixed batch of images."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from tljax import models
from tljax.core.errors import UserError
from tljax.models import HEAD
from tljax.models.normalisation import Normalisation
from tljax.weights.convert import Conversion
from tljax.weights.files import read
from tljax.weights.formats import formats

TOLERANCE = 1e-3  # largest allowed difference, relative to the largest value of a layer
RUN_ONCE = {"xla_backend_optimization_level": 0}  # for a program that runs once: it compiles in a third of the time
SHAPE = (2, 64, 96, 3)  # wider than high, so that swapped axes are noticed


def images(normalisation: Normalisation, multiple: int = 1, smallest: int = 1) -> Float[np.ndarray, "b h w c"]:
    """Returns the fixed batch, normalised.

    multiple: the sides of the images are multiples of this number of pixels. smallest: their smallest allowed value.
    """
    count, *sides, channels = SHAPE
    shape = (count, *(-(-max(side, smallest) // multiple) * multiple for side in sides), channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    return np.array(normalisation(jnp.asarray(pixels)))


def our_outputs(conversion: Conversion) -> dict[str, np.ndarray]:
    """Returns activations `b h w c` of the named layers, and logits `b k` if the file holds a head."""
    card = conversion.card
    tensors = with_head(conversion.tensors, card.backbone, card.variant)
    model = models.build_from(card.backbone, card.variant, tensors)
    model.eval()
    graph, state = nnx.split(model)
    forward = jax.jit(lambda state, x: nnx.merge(graph, state)(x), compiler_options=RUN_ONCE)
    found = forward(state, images(card.normalisation, model.input_multiple, model.input_smallest))
    outputs = {name: np.asarray(found.activations[name]) for name in model.named_layers}
    return outputs if card.classes is None else outputs | {"logits": np.asarray(found.logits)}


def with_head(tensors: dict[str, np.ndarray], backbone: str, variant: str) -> dict[str, np.ndarray]:
    """Returns the tensors, with a head of one class and zeros if they have no head."""
    missing = {name: shape for name, shape in models.shapes(backbone, variant, 1).items() if name.startswith(HEAD)}
    return {name: np.zeros(shape, np.float32) for name, shape in missing.items()} | tensors


def original_outputs(path: Path, conversion: Conversion) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the name and the outputs of the original network, run in its own framework with the file's tensors.

    Raises UserError if that framework is not installed, or if the format has no such network.
    """
    form = formats()[conversion.card.format]
    if form.reference is None:
        raise UserError(f"--verify: there is no original network for files of {form.title}; leave out --verify")
    if importlib.util.find_spec(form.layout) is None:
        raise UserError(f"--verify needs {form.layout} to run the original network: pip install {form.layout}")
    card = conversion.card
    multiple, smallest = (find(card.backbone, card.variant) for find in (models.input_multiple, models.input_smallest))
    return form.reference(read(path), conversion, images(card.normalisation, multiple, smallest))


def differences(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> dict[str, float]:
    """Returns the largest difference of each layer, relative to the layer's largest value."""
    return {name: float(np.abs(ours[name] - theirs[name]).max() / np.abs(theirs[name]).max()) for name in theirs}
