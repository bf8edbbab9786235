"""The mathematics of one step; masks, batches, storage and frozen parts have no other effects than they should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import IMAGES, LABELS, leaves, network, recipe, split

from tljax.core.devices import repeatable
from tljax.core.pipeline import on_device
from tljax.datasets.folds import Fold
from tljax.train import engine
from tljax.train.feed import DeviceFeed, HeadFeed, StreamFeed

ROWS = np.arange(18)
KEY = jax.random.key(7)


def device_feed(graphs, recipe):
    return DeviceFeed(graphs, recipe, on_device(IMAGES, recipe.mesh), on_device(LABELS, recipe.mesh))


def stream_feed(graphs, recipe):
    return StreamFeed(graphs, recipe, IMAGES, LABELS)


def after_epoch(recipe, make=device_feed, **kind):
    graphs, state = split(recipe, **kind)
    return make(graphs, recipe).epoch(state, ROWS, KEY)


def assert_close(one, other, tolerance=1e-5):
    one, other = leaves(one), leaves(other)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=tolerance, atol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def plain():
    return after_epoch(recipe())


def test_a_program_for_a_gpu_adds_in_a_fixed_order_and_in_full_precision(monkeypatch):
    """By default, a GPU adds scatters and gradients of pooling in any order, and rounds products of float32."""
    chosen = recipe(augment=True)
    graphs, state = split(chosen)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    epoch = engine.make_epoch(graphs[0], chosen).trace(state, jnp.asarray(IMAGES), jnp.asarray(LABELS), ROWS, KEY)
    program = epoch.lower(lowering_platforms=("cuda",)).as_text()
    products = [line for line in program.splitlines() if "stablehlo.convolution" in line or "dot_general" in line]
    assert len(products) > 15
    assert all(line.count("HIGHEST") == 2 for line in products)
    assert "scatter" not in program
    assert repeatable() == {"xla_gpu_exclude_nondeterministic_ops": True}


def test_every_program_is_compiled_to_be_repeatable(monkeypatch):
    monkeypatch.setattr(engine, "repeatable", lambda: {"no_such_option": True})
    graphs, state = split(recipe())
    for feed in (device_feed, stream_feed):
        with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
            feed(graphs, recipe()).epoch(state, ROWS, KEY)
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
        device_feed(graphs, recipe()).infer(engine.weights_of(state), ROWS)


def test_head_step_is_adam_on_the_gradient_of_the_mean_cross_entropy():
    chosen = recipe(scope="head")
    graphs, state = split(chosen)
    features = np.random.default_rng(3).normal(size=(6, 32)).astype(np.float32)
    labels = LABELS[:6]
    before = leaves(state.trained)
    kernel, bias = (next(v for k, v in before.items() if name in k) for name in ("kernel", "bias"))
    logits = features @ kernel + bias
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gradient = features.T @ (p - np.eye(3)[labels]) / 6
    step = engine.make_step(graphs[0], chosen)
    state, sums = step(state, jnp.asarray(features), jnp.asarray(labels), jnp.ones(6, bool), KEY)
    after = next(v for k, v in leaves(state.trained).items() if "kernel" in k)
    np.testing.assert_allclose(after, kernel - 1e-3 * gradient / (np.abs(gradient) + 1e-7 / np.sqrt(1e-3)), atol=1e-6)
    np.testing.assert_allclose(sums["loss"], -np.log(p[np.arange(6), labels]).sum(), rtol=1e-5)
    assert int(sums["right"]) == (logits.argmax(axis=1) == labels).sum()


def test_rows_that_only_fill_a_batch_change_nothing():
    """They change neither the gradient (in Adam's moments), nor BatchNorm's statistics, nor the scores."""
    graphs, state = split(recipe())
    step = engine.make_step(graphs[0], recipe())
    whole, whole_sums = step(state, jnp.asarray(IMAGES[:5]), jnp.asarray(LABELS[:5]), jnp.ones(5, bool), KEY)
    _, state = split(recipe())
    filled, filled_sums = step(state, jnp.asarray(IMAGES[:8]), jnp.asarray(LABELS[:8]), jnp.arange(8) < 5, KEY)
    assert_close((whole.optimiser, whole.stats, whole_sums), (filled.optimiser, filled.stats, filled_sums), 1e-4)


def test_a_streamed_epoch_equals_one_on_the_device(plain):
    streamed = after_epoch(recipe(), stream_feed)
    assert_close(plain, streamed)


def test_the_same_key_gives_the_same_bits_and_another_key_another_order(plain):
    again = after_epoch(recipe())
    jax.tree.map(np.testing.assert_array_equal, leaves(plain), leaves(again))
    graphs, state = split(recipe())
    other = device_feed(graphs, recipe()).epoch(state, ROWS, jax.random.key(8))
    assert any((leaves(other)[name] != value).any() for name, value in leaves(plain).items())


def test_all_tensors_change_if_nothing_is_frozen(plain):
    _, before = split(recipe())
    after = leaves(plain[0])
    still = [name for name, value in leaves(before).items() if (value == after[name]).all()]
    assert not still


def test_a_frozen_backbone_does_not_change():
    chosen = recipe(scope="head")
    _, before = split(chosen)
    after, _ = after_epoch(chosen)
    jax.tree.map(
        np.testing.assert_array_equal, leaves((before.frozen, before.stats)), leaves((after.frozen, after.stats))
    )
    assert all("head" in name for name in leaves(after.trained))
    assert all((leaves(before.trained)[name] != value).any() for name, value in leaves(after.trained).items())


def test_last10_changes_only_the_top_and_its_statistics():
    chosen = recipe(scope="last10")
    _, before = split(chosen)
    after, _ = after_epoch(chosen)
    before, after = leaves(before), leaves(after)
    moved = {name for name in before if (before[name] != after[name]).any() and "optimiser" not in name}
    allowed = ("head", "'bn1'", "'bn2'", "'bn3'", "'conv2'", "'conv3'")
    top = {name for name in before if "optimiser" not in name and ("head" in name or "stages" in name)}
    assert moved == {name for name in top if any(part in name for part in allowed)}


def test_features_of_a_frozen_backbone_train_the_same_head():
    chosen = recipe(scope="head")
    on_images, _ = after_epoch(chosen)

    def head_feed(graphs, recipe):
        weights = engine.weights_of(split(recipe)[1])
        fold = Fold(ROWS, np.array([18, 19]), np.array([], int))
        return HeadFeed(device_feed(graphs, recipe), graphs, recipe, weights, LABELS, fold)

    on_features, _ = after_epoch(chosen, head_feed)
    assert_close(on_images, on_features)


def test_inference_does_not_depend_on_the_batch():
    rows = np.array([3, 19, 0, 7, 7, 12, 5])
    graphs, state = split(recipe())
    weights = engine.weights_of(state)
    model = network()
    model.eval()
    expected = jax.jit(lambda x: model(recipe().normalisation(x)).logits)(jnp.asarray(IMAGES[rows], jnp.float32))
    for size in (3, 8):
        logits = device_feed(graphs, recipe(batch_size=size)).infer(weights, rows)
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_with_bfloat16_state_and_loss_stay_in_float32(plain):
    state, sums = after_epoch(recipe(warmup_steps=2, weight_decay=0.05), dtype=jnp.bfloat16)
    kept = {name: value for name, value in leaves((state, sums)).items() if value.dtype.kind != "i"}
    assert {value.dtype for value in kept.values()} == {np.dtype("float32")}
    assert sums["loss"] != plain[1]["loss"]
    np.testing.assert_allclose(sums["loss"], plain[1]["loss"], rtol=0.05)


def test_augmentation_changes_training_but_not_inference(plain):
    chosen = recipe(augment=True)
    augmented = after_epoch(chosen)
    assert augmented[1]["loss"] != plain[1]["loss"]
    graphs, state = split(chosen)
    weights = engine.weights_of(state)
    inferred = [device_feed(graphs, recipe(augment=augment)).infer(weights, ROWS) for augment in (False, True)]
    np.testing.assert_array_equal(*inferred)


@pytest.mark.parametrize(("rows", "batch", "devices"), [(18, 8, 1), (16, 8, 8), (7, 3, 4), (5, 128, 2)])
def test_batches_hold_every_row_once_and_divide_by_the_devices(rows, batch, devices):
    table = np.asarray(engine.batch_table(jnp.arange(rows, dtype=jnp.int32), batch, devices))
    assert table.shape[1] % devices == 0
    assert sorted(table[table >= 0]) == list(range(rows))
    assert ((table >= 0).sum(axis=1)[:-1] == batch).all()
