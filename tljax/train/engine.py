"""Compiles training and inference as pure functions: a step, an epoch, the logits of a batch.

Inputs are either uint8 images `n h w 3`, augmented and normalised inside the program, or the float features `n c` of a
frozen backbone, computed once. Batches are rows of a table of row numbers, in which -1 is padding.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from tljax.core.devices import repeatable
from tljax.models.backbone import BackboneModule
from tljax.models.normalisation import Normalisation
from tljax.train.augment import random_matrices, warp
from tljax.train.optimiser import adam

Weights = Any  # an nnx.State: what inference needs


@dataclass(frozen=True)
class Recipe:
    """The static facts of a phase, for which XLA compiles."""

    normalisation: Normalisation
    augment: bool
    flip: bool
    learning_rate: float
    batch_size: int  # over all devices
    scope: str  # what is trained: "all" | "head" | "last10"
    mesh: Mesh
    warmup_steps: int = 0
    weight_decay: float = 0.0

    def optimiser(self) -> optax.GradientTransformation:
        """Returns the optimiser of the phase."""
        return adam(self.learning_rate, self.warmup_steps, self.weight_decay)

    def shard(self, x: Shaped[Array, " b *_"]) -> Shaped[Array, " b *_"]:
        """Splits a batch over the devices."""
        return jax.lax.with_sharding_constraint(x, NamedSharding(self.mesh, PartitionSpec("data")))

    def replicate(self, x: Shaped[Array, "*_"]) -> Shaped[Array, "*_"]:
        """Puts a whole array on every device."""
        return jax.lax.with_sharding_constraint(x, NamedSharding(self.mesh, PartitionSpec()))


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["trained", "frozen", "stats", "optimiser"], meta_fields=[]
)
@dataclass(frozen=True)
class TrainState:
    """All arrays that a step reads or changes."""

    trained: Any  # parameters that the optimiser changes
    frozen: Any  # parameters that stay as they are
    stats: Any  # BatchNorm's running statistics
    optimiser: Any


def split(model: BackboneModule, recipe: Recipe) -> tuple[tuple[Any, Any], TrainState]:
    """Returns the graphs of the training and of the inference network, and the state that both share.

    Freezing is a filter over parameters. A BatchNorm that is not trained is in inference mode.
    """
    is_trained = model.trained_by(recipe.scope)

    def trained(path: tuple, value: Any) -> bool:
        return isinstance(value, nnx.Param) and is_trained(".".join(map(str, path)))

    filters = (trained, nnx.Param, nnx.BatchStat)
    model.train()
    for path, found in nnx.iter_modules(model):
        module: Any = found
        if hasattr(module, "use_running_average"):
            own = (".".join(map(str, (*path, *inner))) for inner, _ in nnx.to_flat_state(nnx.state(module)))
            module.use_running_average = not any(map(is_trained, own))
    training_graph, trained_part, frozen, stats = nnx.split(model, *filters)
    model.eval()
    inference_graph, *_ = nnx.split(model, *filters)
    state = TrainState(trained_part, frozen, stats, recipe.optimiser().init(trained_part))
    return (training_graph, inference_graph), state


def weights_of(state: TrainState) -> Weights:
    """Returns all parameters and statistics, in one tree whose shape does not depend on what is trained."""
    return nnx.merge_state(state.trained, state.frozen, state.stats)


@jax.jit
def copied(weights: Weights) -> Weights:
    """Copies weights, so that they outlive the state they came from, which the next step consumes."""
    return jax.tree.map(jnp.copy, weights)


def restore(model: nnx.Module, weights: Weights) -> None:
    """Puts weights back into the network they came from, in inference mode."""
    nnx.update(model, weights)
    model.eval()


def batch_table(rows: Int[Array, " n"], batch_size: int, devices: int) -> Int[Array, "steps slots"]:
    """Returns row numbers as batches, padded with -1 to full batches that divide by the number of devices."""
    steps = -(-rows.shape[0] // batch_size)
    table = jnp.pad(rows, (0, steps * batch_size - rows.shape[0]), constant_values=-1).reshape(steps, batch_size)
    return jnp.pad(table, ((0, 0), (0, -batch_size % devices)), constant_values=-1)


def train_step(
    graph: Any,
    recipe: Recipe,
    state: TrainState,
    inputs: Shaped[Array, " b *_"],
    labels: Int[Array, " b"],
    mask: Bool[Array, " b"] | None,
    key: Key[Array, ""],
) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
    """Takes one optimiser step on one batch; returns the state and the sums of loss and of right answers.

    mask: the rows that count; None means all.
    """
    warp_key, dropout_key = jax.random.split(key)
    if inputs.ndim == 4:
        inputs = _to_network(inputs, recipe, warp_key if recipe.augment else None)
    weights = jnp.ones(labels.shape) if mask is None else mask.astype(jnp.float32)

    def loss(trained: Any) -> tuple[Float[Array, ""], tuple[Any, Float[Array, "b k"], Float[Array, ""]]]:
        model = nnx.merge(graph, trained, state.frozen, state.stats, copy=True)
        rngs = nnx.Rngs(dropout=dropout_key)
        logits = (
            model.classify(inputs, rngs) if inputs.ndim == 2 else model(inputs, layers=(), mask=mask, rngs=rngs).logits
        )
        losses = optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype))
        total = jnp.sum(losses * weights)
        return total / jnp.sum(weights), (nnx.state(model, nnx.BatchStat), logits, total)

    (_, (stats, logits, total)), gradient = jax.value_and_grad(loss, has_aux=True)(state.trained)
    with jax.numpy_dtype_promotion("standard"):  # optax raises a float to its integer step count
        updates, optimiser = recipe.optimiser().update(gradient, state.optimiser, state.trained)
    right = jnp.sum(jnp.where(jnp.argmax(logits, axis=-1) == labels, weights, 0))
    state = TrainState(optax.apply_updates(state.trained, updates), state.frozen, stats, optimiser)
    return state, {"loss": total, "right": right}


def _to_network(
    images: Shaped[Array, "b h w 3"], recipe: Recipe, key: Key[Array, ""] | None
) -> Float[Array, "b h w c"]:
    if key is None:
        return recipe.normalisation(images.astype(jnp.float32))
    matrices = random_matrices(key, images.shape[0], (images.shape[1], images.shape[2]), recipe.flip)
    return jax.lax.optimization_barrier(recipe.normalisation(warp(images, recipe.shard(matrices))))


def make_epoch(graph: Any, recipe: Recipe) -> Callable:
    """Compiles a whole epoch over arrays on the devices, as one program.

    epoch(state, inputs, labels, rows, key) -> (state, sums): shuffles `rows`, then gathers, augments and steps under
    `lax.scan`. The state is donated.
    """

    def epoch(state: TrainState, inputs: Array, labels: Array, rows: Int[Array, " n"], key: Key[Array, ""]) -> tuple:
        shuffle_key, step_key = jax.random.split(key)
        table = batch_table(jax.random.permutation(shuffle_key, rows), recipe.batch_size, recipe.mesh.size)
        whole = table.size == rows.shape[0]

        def step(state: TrainState, batch: tuple) -> tuple:
            number, index = batch
            index = recipe.shard(index)
            mask = None if whole else index >= 0
            return train_step(
                graph,
                recipe,
                state,
                recipe.shard(inputs[index]),
                labels[index],
                mask,
                jax.random.fold_in(step_key, number),
            )

        state, sums = jax.lax.scan(step, state, (jnp.arange(table.shape[0]), table))
        return state, jax.tree.map(jnp.sum, sums)

    return jax.jit(epoch, donate_argnums=0, compiler_options=repeatable())


def make_step(graph: Any, recipe: Recipe) -> Callable:
    """Compiles `train_step` for a batch from the host: step(state, inputs, labels, mask, key) -> (state, sums)."""

    def step(state: TrainState, inputs: Array, labels: Array, mask: Array, key: Key[Array, ""]) -> tuple:
        return train_step(graph, recipe, state, inputs, labels, mask, key)

    return jax.jit(step, donate_argnums=0, compiler_options=repeatable())


def make_inference(graph: Any, recipe: Recipe, output: str = "logits") -> Callable:
    """Compiles infer(weights, inputs) -> `b c`: the `logits` of a batch, or the `features` that the head reads."""

    def infer(weights: Weights, inputs: Shaped[Array, " b *_"]) -> Float[Array, "b c"]:
        model, inputs = nnx.merge(graph, weights, copy=True), recipe.shard(inputs)
        if inputs.ndim == 4:
            inputs, _ = model.features(_to_network(inputs, recipe, None))
        return recipe.replicate(inputs if output == "features" else model.classify(inputs))

    return jax.jit(infer, compiler_options=repeatable())
