"""The audit names the input by whose images a network's batch normalisation was calibrated."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from weight_cards import CARD

from tljax import models
from tljax.core.errors import UserError
from tljax.models.normalisation import NORMALISATIONS, Normalisation
from tljax.weights.audit import audit
from tljax.weights.networks import Network

COLOUR = [name for name, known in NORMALISATIONS.items() if known.channels in ("rgb", "bgr")]


def pictures(count: int, seed: int) -> np.ndarray:
    """Blurred colour noise: red is bright, blue is dark."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal((170, 120, 70), (40, 50, 30), (count, 8, 8, 3))
    return np.clip(np.kron(coarse, np.ones((1, 4, 4, 1))), 0, 255).astype(np.uint8)


def trained_on(normalisation: Normalisation) -> Network:
    """A small network whose running statistics are those of pictures with this input."""
    model = models.build("resnet_tiny", "torch_v1.5", 2, dropout=0.0)
    for _, module in nnx.iter_modules(model):
        if hasattr(module, "momentum"):
            module.momentum = 0.0
    model.train()
    x = normalisation(jnp.asarray(pictures(64, seed=0), jnp.float32))
    nnx.jit(lambda model, x: model.features(x)[0])(model, x)
    model.eval()
    return Network("small", model, dataclasses.replace(CARD, normalisation=NORMALISATIONS["imagenet"]))


@pytest.mark.parametrize("name", COLOUR)
def test_the_input_of_the_training_is_the_nearest(name):
    verdict = audit(trained_on(NORMALISATIONS[name]), pictures(32, seed=1))
    assert verdict.found is not None and name in verdict.found.names, str(verdict)


def test_grey_images_do_not_tell_the_channel_order():
    grey = np.repeat(pictures(16, seed=2)[..., :1], 3, axis=-1)
    verdict = audit(trained_on(NORMALISATIONS["radimagenet_torch"]), grey)
    names = {name for candidate in verdict.candidates for name in candidate.names}
    alike = next(c for c in verdict.candidates if "radimagenet_torch" in c.names)
    assert "radimagenet_torch, rgb order" in alike.names and names >= set(COLOUR)


def test_too_few_images_are_refused():
    with pytest.raises(UserError, match="at least four"):
        audit(trained_on(NORMALISATIONS["imagenet"]), pictures(3, seed=3))
