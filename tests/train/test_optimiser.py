"""Adam against Keras' own, over several steps, with warm-up and weight decay."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
from keras_network import loosened
from tiny import recipe, split

from tljax.train import engine
from tljax.train.optimiser import EPSILON, adam

STEPS = 6
GRADIENT = 1e-5  # where epsilon matters: at the first step Keras' is as large as 3e-6


def gradients(shape: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [(GRADIENT * rng.standard_normal(shape)).astype(np.float32) for _ in range(STEPS)]


def ours(optimiser: optax.GradientTransformation, start: dict) -> dict:
    """Returns the parameters after all steps, with the same gradients for every optimiser."""
    parameters, state = jax.tree.map(jnp.asarray, start), None
    state = optimiser.init(parameters)
    with jax.numpy_dtype_promotion("standard"):
        for gradient in zip(*(gradients(leaf.shape) for leaf in start.values()), strict=True):
            updates, state = optimiser.update(dict(zip(start, gradient, strict=True)), state, parameters)
            parameters = optax.apply_updates(parameters, updates)
    return parameters


def of_keras(optimiser: keras.optimizers.Optimizer, start: dict) -> dict:
    with loosened():
        variables = {name: keras.Variable(value, name=name) for name, value in start.items()}
        optimiser.build(list(variables.values()))
        for gradient in zip(*(gradients(leaf.shape) for leaf in start.values()), strict=True):
            optimiser.apply([jnp.asarray(g) for g in gradient], list(variables.values()))
        return {name: np.asarray(variable.value) for name, variable in variables.items()}


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 1e-3 * keras.ops.minimum(1.0, (keras.ops.cast(step, "float32") + 1) / 4)


START = {"kernel": np.random.default_rng(1).standard_normal((8, 4)).astype(np.float32), "bias": np.zeros(4, np.float32)}


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        ({}, lambda: keras.optimizers.Adam(1e-3, epsilon=EPSILON)),
        ({"warmup_steps": 4}, lambda: keras.optimizers.Adam(WarmUp(), epsilon=EPSILON)),
        ({"weight_decay": 0.05}, lambda: keras.optimizers.AdamW(1e-3, weight_decay=0.05, epsilon=EPSILON)),
        ({"warmup_steps": 4, "weight_decay": 0.05}, lambda: keras.optimizers.AdamW(WarmUp(), 0.05, epsilon=EPSILON)),
    ],
    ids=["adam", "warm-up", "decay", "both"],
)
def test_adam_equals_that_of_keras_over_several_steps(settings, reference):
    theirs = reference()
    if settings.get("weight_decay"):
        theirs.exclude_from_weight_decay(var_names=["bias"])
    expected = of_keras(theirs, START)
    found = ours(adam(1e-3, **settings), START)
    for name, start in START.items():
        moved = np.abs(expected[name] - start).max()
        np.testing.assert_allclose(found[name], expected[name], atol=1e-3 * moved, err_msg=name)
        assert moved > 1e-4


def test_epsilon_where_optax_adds_it_would_give_other_parameters():
    expected, found = (ours(optimiser, START)["kernel"] for optimiser in (adam(1e-3), optax.adam(1e-3, eps=EPSILON)))
    assert np.abs(found - expected).max() > 0.05 * np.abs(expected - START["kernel"]).max()


def test_a_head_is_trained_as_keras_trains_it():
    """Several steps of the engine, against a Dense layer that Keras compiles, fits and differentiates by itself."""
    rng = np.random.default_rng(2)
    features = (1e-4 * rng.standard_normal((STEPS, 8, 32))).astype(np.float32)  # small, as are then the gradients
    labels = rng.integers(0, 3, (STEPS, 8)).astype(np.int32)
    chosen = recipe(scope="head")
    graphs, state = split(chosen)
    head = {path[-2].key: leaf for path, leaf in jax.tree.leaves_with_path(state.trained)}
    start = {name: np.array(leaf) for name, leaf in head.items()}
    step = engine.make_step(graphs[0], chosen)
    for x, y in zip(features, labels, strict=True):
        state, _ = step(state, jnp.asarray(x), jnp.asarray(y), jnp.ones(8, bool), jax.random.key(0))
    found = {path[-2].key: np.array(leaf) for path, leaf in jax.tree.leaves_with_path(state.trained)}
    with loosened():
        model = keras.Sequential([keras.Input((32,)), keras.layers.Dense(3)])
        model.set_weights([start["kernel"], start["bias"]])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(chosen.learning_rate, epsilon=EPSILON), loss)
        for x, y in zip(features, labels, strict=True):
            model.train_on_batch(x, y)
        expected = dict(zip(("kernel", "bias"), [np.array(v.value) for v in model.weights], strict=True))
    for name in start:
        moved = np.abs(expected[name] - start[name]).max()
        np.testing.assert_allclose(found[name], expected[name], atol=2e-3 * moved, err_msg=name)


def test_only_kernels_of_a_network_decay():
    plain, decaying = (split(recipe(scope="all", weight_decay=decay))[1].trained for decay in (0.0, 0.5))
    optimiser = adam(1.0, weight_decay=0.5)
    with jax.numpy_dtype_promotion("standard"):
        still = jax.tree.map(jnp.zeros_like, plain)
        updates, _ = optimiser.update(still, optimiser.init(plain), plain)
    assert jax.tree.structure(plain) == jax.tree.structure(decaying)
    for path, update in jax.tree.leaves_with_path(updates):
        name = jax.tree_util.keystr(path)
        assert (np.abs(update).max() > 0) == ("kernel" in name), name
