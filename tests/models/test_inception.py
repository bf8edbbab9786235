"""Inception networks are compared with those of other libraries (golden/make_inception.py), and tested as backbones."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from goldens import images, network, sources
from weight_files import NARROW

from tljax import models
from tljax.core.errors import UserError
from tljax.models import inception_v3
from tljax.models.backbone import Backbone
from tljax.models.normalisation import NORMALISATIONS
from tljax.weights.verify import RUN_ONCE

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "inception.npz")
SOURCES = sources(GOLDEN)
TINY = ["inception_v3_tiny", "inception_resnet_v2_tiny"]


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setitem(inception_v3.ARCHITECTURES, "inception_v3_narrow", NARROW)


@cache
def features(backbone: str, variant: str, side: int) -> dict[str, np.ndarray]:
    model = network(backbone, variant)
    graph, state = nnx.split(model)
    layers = (*model.all_layers, *model.named_layers[1:])
    run = jax.jit(lambda state, x: nnx.merge(graph, state).features(x, layers), compiler_options=RUN_ONCE)
    pooled, found = run(state, images(side))
    return {"features": np.asarray(pooled), **{name: np.asarray(y) for name, y in found.items()}}


@pytest.mark.parametrize("source", SOURCES)
def test_features_and_layers_equal_those_of_the_source(source):
    """The images have the smallest allowed size, and a larger even one."""
    _, _, backbone, variant = source.split("|")
    wanted = [key.split("|")[4:] for key in GOLDEN if key.startswith(f"{source}|")]
    wanted = [key for key in wanted if len(key) == 2]
    assert {side for side, _ in wanted} == {"75", "110"}
    assert {layer for _, layer in wanted} == {"features", *network(backbone, variant).all_layers}
    for side, layer in wanted:
        golden, found = GOLDEN[f"{source}|{side}|{layer}"], features(backbone, variant, int(side))[layer]
        if layer != "features":
            found = found.ravel()[:: max(1, found.size // 100)]
        assert np.abs(found - golden).max() < 1e-5 * np.abs(golden).max(), (side, layer)


@pytest.mark.parametrize("backbone", TINY)
def test_it_is_a_backbone_whose_stages_halve_the_image(backbone):
    model, found = network(backbone, "torch"), features(backbone, "torch", 110)
    assert isinstance(model, Backbone)
    assert model.named_layers == ("conv1", "block1", "block2", "block3", "block4")
    assert [found[layer].shape[1] for layer in model.named_layers] == [54, 23, 11, 5, 2]
    for stage in (1, 2, 3, 4):
        last = [layer for layer in model.all_layers if layer.startswith(f"block{stage}.")][-1]
        np.testing.assert_array_equal(found[f"block{stage}"], found[last])
    np.testing.assert_allclose(found["features"], found["block4"].mean((1, 2)), rtol=1e-6)
    assert model.first_filters().shape == (3, 3, 3, 2)


@pytest.mark.parametrize(("backbone", "parameters"), [("inception_v3", 23834568), ("inception_resnet_v2", 55843464)])
def test_the_full_network_has_the_published_number_of_parameters(backbone, parameters):
    """Of torchvision's inception_v3 without the auxiliary classifier, and of timm's inception_resnet_v2."""
    shapes = models.shapes(backbone, "torch", 1000)
    assert sum(np.prod(shape) for name, shape in shapes.items() if not name.endswith((".mean", ".var"))) == parameters


@pytest.mark.parametrize("backbone", TINY)
def test_images_that_are_too_small_are_refused(backbone):
    with pytest.raises(UserError, match=r"74 x 80 pixels are too small .*--image-size 75 or more"):
        nnx.eval_shape(lambda: models.build(backbone, "torch", 3, seed=None)(jnp.zeros((1, 74, 80, 3))))


def test_the_input_is_that_of_torchvision_with_transform_input():
    """With this option of torchvision's weights, the network converts pixels normalised for ImageNet to -1..1."""
    pixels = jnp.asarray(np.random.default_rng(0).integers(0, 256, (1, 5, 4, 3)).astype(np.float32))
    given = np.asarray(NORMALISATIONS["imagenet"](pixels))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    theirs = given * (std / 0.5) + (mean - 0.5) / 0.5  # torchvision.models.inception, _transform_input
    np.testing.assert_allclose(NORMALISATIONS[inception_v3.NORMALISATION](pixels), theirs, atol=1e-6)


def test_a_residual_block_adds_its_scaled_branches():
    model = network("inception_resnet_v2_tiny", "torch")
    block = model.stages[1][1]
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 1, (1, 5, 5, 68)), jnp.float32)
    before = block(x, None)
    block.up.kernel[...], block.up.bias[...] = jnp.zeros_like(block.up.kernel[...]), jnp.full(68, -20.0)
    np.testing.assert_allclose(block(x, None), np.maximum(x - 2, 0), atol=1e-5)
    assert not np.allclose(before, x)


def test_gradients_on_a_gpu_have_no_scatter(monkeypatch):
    """On a GPU, a scatter adds numbers in no fixed order."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    model = network("inception_resnet_v2_tiny", "torch")
    graph, state = nnx.split(model)

    def total(state, x):
        return jnp.sum(nnx.merge(graph, state).features(x)[0])

    program = jax.jit(jax.grad(total, argnums=(0, 1))).trace(state, images(75)).lower(lowering_platforms=("cuda",))
    assert "stablehlo.convolution" in program.as_text() and "scatter" not in program.as_text()
