"""ConvNeXts are compared with those of other libraries (golden/make_convnext.py), and tested as backbones."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from goldens import images, sources
from weight_files import random_tensors

from tljax import models
from tljax.core.errors import UserError
from tljax.models import convnext
from tljax.models.backbone import Backbone
from tljax.weights.verify import RUN_ONCE

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "convnext.npz")
SOURCES = sources(GOLDEN)


def network(variant: str, dtype=jnp.float32) -> models.BackboneModule:
    model = models.build("convnext_micro", variant, 3, seed=None, dropout=0.0, dtype=dtype)
    models.load_flat(model, random_tensors("convnext_micro", variant))
    model.eval()
    return model


@cache
def features(variant: str, side: int, dtype=jnp.float32) -> dict[str, np.ndarray]:
    model = network(variant, dtype)
    graph, state = nnx.split(model)
    layers = (*model.all_layers, *model.named_layers[1:])
    run = jax.jit(lambda state, x: nnx.merge(graph, state).features(x, layers), compiler_options=RUN_ONCE)
    pooled, found = run(state, images(side))
    return {"features": np.asarray(pooled), **{name: np.asarray(y, np.float32) for name, y in found.items()}}


@pytest.mark.parametrize("source", SOURCES)
def test_features_and_layers_equal_those_of_the_source(source):
    """The images have a size that all strides divide, and one of which each stride leaves out a row and a column."""
    variant = source.split("|")[3]
    wanted = [key.split("|")[4:] for key in GOLDEN if key.startswith(f"{source}|")]
    wanted = [key for key in wanted if len(key) == 2]
    blocks = {"stem", "stage1.0", "stage1.1", "stage2.0", "stage3.0", "stage4.0", "features"}
    assert {tuple(key) for key in wanted} == {(side, layer) for side in ("64", "90") for layer in blocks}
    for side, layer in wanted:
        golden, found = GOLDEN[f"{source}|{side}|{layer}"], features(variant, int(side))[layer]
        if layer != "features":
            found = found.ravel()[:: max(1, found.size // 100)]
        assert np.abs(found - golden).max() < 1e-5 * np.abs(golden).max(), (side, layer)


def test_it_is_a_backbone_whose_stages_are_its_named_layers():
    model, found = network("torch"), features("torch", 64)
    assert isinstance(model, Backbone) and model.first_filters().shape == (4, 4, 3, 8)
    assert model.named_layers == ("stem", "stage1", "stage2", "stage3", "stage4")
    np.testing.assert_array_equal(found["stage1"], found["stage1.1"])
    sides = {name: found[name].shape[1:] for name in model.named_layers}
    assert list(sides.values()) == [(16, 16, 8), (16, 16, 8), (8, 8, 16), (4, 4, 24), (2, 2, 32)]
    deep = nnx.eval_shape(lambda: models.build("convnext_small", "torch", 2, seed=None))
    assert len(deep.all_layers) == 1 + 36 and deep.all_layers[-1] == "stage4.2"


def test_images_that_leave_an_empty_grid_are_refused():
    assert models.input_smallest("convnext_tiny", "torch") == 32
    model = network("torch")
    found = jax.eval_shape(lambda x: model.features(x, ("stage4",))[1], jnp.zeros((1, 32, 32, 3)))
    assert found["stage4"].shape == (1, 1, 1, 32)
    with pytest.raises(UserError, match=r"40 x 31 pixels are too small .*--image-size 32 or more"):
        model.features(jnp.zeros((1, 40, 31, 3)))


def test_the_logits_depend_on_every_position_of_the_last_grid():
    model = network("torch")
    assert model.saliency_layer is None  # the last named layer

    def score(change):
        return jnp.sum(model.classify(model.features(jnp.asarray(images(64)), {"stage4": change})[0])[:, 0])

    gradient = jax.jit(jax.grad(score), compiler_options=RUN_ONCE)(jnp.zeros((2, 2, 2, 32)))
    assert (jnp.abs(gradient).max(axis=-1) > 0).all()


def test_gradients_on_a_gpu_have_no_scatter(monkeypatch):
    """On a GPU, a scatter adds numbers in no fixed order."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    graph, state = nnx.split(network("torch"))

    def total(state, x):
        return jnp.sum(nnx.merge(graph, state).features(x)[0])

    program = jax.jit(jax.grad(total, argnums=(0, 1))).trace(state, images(64)).lower(lowering_platforms=("cuda",))
    assert "stablehlo.convolution" in program.as_text() and "scatter" not in program.as_text()


def test_bfloat16_computes_with_features_in_float32():
    full, half = (features("torch", 64, dtype) for dtype in (jnp.float32, jnp.bfloat16))
    assert half["features"].dtype == np.float32
    assert 1e-5 < np.abs(full["features"] - half["features"]).max() < 0.1 * np.abs(full["features"]).max()


@pytest.mark.parametrize("variant", list(convnext.VARIANTS))
def test_every_scope_trains_tensors_of_every_variant(variant):
    model = nnx.eval_shape(lambda: models.build("convnext_micro", variant, 2, seed=None))
    names = models.shapes("convnext_micro", variant, 2)
    assert {name for name in names if model.trained_by("head")(name)} == {"head.kernel", "head.bias"}
    assert all(model.trained_by("all")(name) for name in names)
    with pytest.raises(UserError, match="last10"):
        model.trained_by("last10")


def test_random_weights_have_the_authors_distribution():
    tensors = models.flatten(models.build("convnext_micro", "torch", 2))
    assert set(np.unique(tensors["stages.3.0.scale"])) == {np.float32(1e-6)}
    assert tensors["stages.3.0.up.kernel"].std() == pytest.approx(0.02, rel=0.05)
    assert not tensors["stages.3.0.depthwise.bias"].any()
