"""Vision transformers are compared with other libraries' (golden/make_transformers.py), and tested as backbones."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from goldens import images, network, sources

from tljax import models
from tljax.core.errors import UserError
from tljax.models import dinov3, vit
from tljax.models.backbone import Backbone
from tljax.weights.verify import RUN_ONCE

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "transformers.npz")
SOURCES = sources(GOLDEN)


@cache
def features(backbone: str, variant: str, side: int, dtype=jnp.float32) -> dict[str, np.ndarray]:
    model = network(backbone, variant, dtype)
    graph, state = nnx.split(model)
    run = jax.jit(lambda state, x: nnx.merge(graph, state).features(x, model.all_layers), compiler_options=RUN_ONCE)
    pooled, found = run(state, images(side))
    return {"features": np.asarray(pooled), **{name: np.asarray(y, np.float32) for name, y in found.items()}}


@pytest.mark.parametrize("source", SOURCES)
def test_features_and_layers_equal_those_of_the_source(source):
    """The images have the size of the pre-training, and another size, for which position embeddings are resized."""
    _, _, backbone, variant = source.split("|")
    wanted = [key.split("|")[4:] for key in GOLDEN if key.startswith(f"{source}|")]
    wanted = [key for key in wanted if len(key) == 2]
    assert len({side for side, _ in wanted}) == 2
    for side, layer in wanted:
        golden, found = GOLDEN[f"{source}|{side}|{layer}"], features(backbone, variant, int(side))[layer]
        if layer != "features":
            found = found.ravel()[:: max(1, found.size // 100)]
        assert np.abs(found - golden).max() < 1e-5 * np.abs(golden).max(), (side, layer)


@pytest.mark.parametrize(("backbone", "variant"), [("vit_tiny", "timm_reg"), ("dinov3_tiny", "no_bias")])
def test_it_is_a_backbone_whose_tokens_form_a_grid(backbone, variant):
    model = network(backbone, variant)
    assert isinstance(model, Backbone)
    assert model.named_layers == ("embedding", "block1", "block2", "block3", "block4") == model.all_layers
    run = jax.jit(lambda x: model.features(x, model.named_layers), compiler_options=RUN_ONCE)
    pooled, found = run(images(32)[:, :24])
    assert pooled.shape == (2, 32) and pooled.dtype == jnp.float32
    assert {y.shape for y in found.values()} == {(2, 3, 4, 32)}
    assert model.first_filters().shape == (8, 8, 3, 32)


def test_named_layers_are_at_quarters_of_the_depth():
    deep = nnx.eval_shape(lambda: models.build("vit_large_patch16_224", "timm", 2, seed=None))
    assert deep.named_layers == ("embedding", "block6", "block12", "block18", "block24")
    assert len(deep.all_layers) == 25


@pytest.mark.parametrize(
    ("backbone", "variant", "layer"), [("vit_tiny", "timm", "block3"), ("vit_tiny", "mae", "block4")]
)
def test_the_saliency_layer_is_one_on_which_the_logits_depend(backbone, variant, layer):
    """After the last block only the class token is used, so the gradient of each patch is zero there."""
    model = network(backbone, variant)
    assert model.saliency_layer == layer

    def score(change):
        return jnp.sum(model.classify(model.features(jnp.asarray(images(32)), {layer: change})[0])[:, 0])

    gradient = jax.jit(jax.grad(score), compiler_options=RUN_ONCE)(jnp.zeros((2, 4, 4, 32)))
    assert (jnp.abs(gradient).max(axis=-1) > 0).all()


def test_images_that_do_not_divide_into_patches_are_refused_with_the_nearest_sizes():
    def run():
        return models.build("vit_small_patch14_224", "dinov2", 2, seed=None).features(jnp.zeros((1, 100, 100, 3)))

    with pytest.raises(
        UserError, match=r"patches of 14 x 14 pixels; .* nearest possible size is --image-size 98 or 112"
    ):
        nnx.eval_shape(run)


@pytest.mark.parametrize(("backbone", "variant"), [("vit_tiny", "dinov2"), ("dinov3_tiny", "qv_bias")])
def test_bfloat16_computes_with_features_in_float32(backbone, variant):
    full, half = (features(backbone, variant, 32, dtype) for dtype in (jnp.float32, jnp.bfloat16))
    assert half["features"].dtype == np.float32
    assert 1e-5 < np.abs(full["features"] - half["features"]).max() < 0.1 * np.abs(full["features"]).max()


@pytest.mark.parametrize("family", [vit, dinov3])
def test_every_scope_trains_tensors_of_every_variant(family):
    for variant in family.VARIANTS:
        backbone = next(name for name in family.ARCHITECTURES if name.endswith("_tiny"))
        model = nnx.eval_shape(lambda backbone=backbone, variant=variant: models.build(backbone, variant, 2, seed=None))
        names = models.shapes(backbone, variant, 2)
        assert {name for name in names if model.trained_by("head")(name)} == {"head.kernel", "head.bias"}
        assert all(model.trained_by("all")(name) for name in names)
        with pytest.raises(UserError, match="last10"):
            model.trained_by("last10")
