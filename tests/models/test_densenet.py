"""DenseNets are compared with those of other libraries (golden/make_densenets.py), and tested as backbones."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from goldens import sources
from weight_files import in_format, random_tensors

from tljax import models
from tljax.core.errors import UserError
from tljax.models.backbone import Backbone
from tljax.models.densenet import VARIANTS
from tljax.weights.verify import RUN_ONCE

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "densenets.npz")
SOURCES = sources(GOLDEN)
SAMPLES = 60
TINY = "densenet_tiny"


def images(channels: int) -> np.ndarray:
    return np.random.default_rng(90).standard_normal((2, 90, 90, channels), np.float32)


def sample(values: np.ndarray) -> np.ndarray:
    return values.ravel()[:: max(1, values.size // SAMPLES)]


@cache
def features(variant: str) -> dict[str, np.ndarray]:
    model = models.build(TINY, variant, 3, seed=None)
    models.load_flat(model, random_tensors(TINY, variant))
    model.eval()
    graph, state = nnx.split(model)
    layers = tuple(dict.fromkeys((*model.all_layers, *model.named_layers)))
    run = jax.jit(lambda state, x: nnx.merge(graph, state).features(x, layers), compiler_options=RUN_ONCE)
    pooled, found = run(state, images(VARIANTS[variant].channels))
    return {"features": np.asarray(pooled), **{name: np.asarray(y) for name, y in found.items()}}


@pytest.mark.parametrize("source", SOURCES)
def test_features_and_layers_equal_those_of_the_source(source):
    """The images have a size at which average pooling leaves out rows."""
    ours = features(source.split("|")[2])
    golden = {key.rpartition("|")[2]: key for key in GOLDEN if key.startswith(f"{source}|")}
    del golden["names"]
    assert {"features", "conv1", "block4", "block1.0", "block1.1", "block3.0"} <= golden.keys()
    for layer, key in golden.items():
        wanted, found = GOLDEN[key], ours[layer] if layer == "features" else sample(ours[layer])
        assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max(), layer


def test_gradients_in_training_equal_torchvision_in_float64():
    """The layers of a block share moments; their gradients are those of separately computed moments."""
    tensors = {name: value.astype(np.float64) for name, value in random_tensors(TINY, "torch").items()}
    with jax.enable_x64(True):
        model = models.build(TINY, "torch", 3, dropout=0.0, dtype=jnp.float64)
        models.load_flat(model, tensors)
        model.train()
        graph, parameters, rest = nnx.split(model, nnx.Param, ...)
        x, weight = jnp.asarray(images(3), jnp.float64), jnp.asarray(GOLDEN["gradient|weight"])

        def total(parameters):
            return jnp.sum(nnx.merge(graph, parameters, rest, copy=True).features(x)[0] * weight)

        found = nnx.to_flat_state(jax.jit(jax.grad(total), compiler_options=RUN_ONCE)(parameters))
        ours = {".".join(map(str, path)): np.asarray(value[...]) for path, value in found}
    ours = in_format(ours, "torchvision-densenet", TINY, "torch")
    wanted = {key.partition("|")[2]: GOLDEN[key] for key in GOLDEN if key.startswith("gradient|")}
    del wanted["weight"]
    assert wanted.keys() == {name for name in ours if "classifier" not in name}
    largest = max(np.abs(values).max() for values in wanted.values())
    for name, values in wanted.items():
        difference = np.abs(sample(ours[name]) - values).max()
        assert difference < 1e-6 * max(np.abs(values).max(), 1e-6 * largest), name


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_it_is_a_backbone(variant):
    model = models.build(TINY, variant, 3)
    assert isinstance(model, Backbone)
    assert model.named_layers == ("conv1", "block1", "block2", "block3", "block4")
    assert model.all_layers == ("conv1", "block1.0", "block1.1", "block2.0", "block3.0", "block4.0")
    assert model.first_filters().shape == (7, 7, VARIANTS[variant].channels, 16)
    channels = models.normalisation_of(TINY, variant).depth
    assert channels == model.input_channels == models.input_channels(TINY, variant) == VARIANTS[variant].channels


def test_images_that_leave_an_empty_grid_are_refused():
    model = models.build(TINY, "torch", 3, seed=None)
    model.eval()
    smallest = models.input_smallest(TINY, "torch")
    seen = jax.eval_shape(lambda x: model.features(x, ("block4",))[1], jnp.zeros((1, smallest, smallest, 3)))
    assert seen["block4"].shape[1:3] == (1, 1)
    with pytest.raises(UserError, match=f"--image-size {smallest} or more"):
        model.features(jnp.zeros((1, smallest, smallest - 1, 3)))


def test_full_sizes_have_the_published_number_of_parameters():
    """torchvision's documentation: 7,978,856 and 14,149,480, with a head of 1000 classes."""
    for backbone, wanted in (("densenet121", 7978856), ("densenet169", 14149480)):
        shapes = models.shapes(backbone, "torch", 1000)
        trained = (np.prod(shape) for name, shape in shapes.items() if not name.endswith((".mean", ".var")))
        assert sum(trained) == wanted
