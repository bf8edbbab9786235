"""Makes Adam as Keras computes it, with an optional linear warm-up and decoupled weight decay."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

BETA1, BETA2 = 0.9, 0.999
EPSILON = 1e-7


def adam(learning_rate: float, warmup_steps: int = 0, weight_decay: float = 0.0) -> optax.GradientTransformation:
    """Returns the optimiser of a phase.

    warmup_steps: over these first steps the learning rate rises linearly to `learning_rate`. weight_decay: each step
    removes `learning_rate * weight_decay` of every kernel, as in Loshchilov and Hutter 2019,
    https://arxiv.org/abs/1711.05101; biases, normalisations and embeddings do not decay.
    """
    decay = [optax.add_decayed_weights(weight_decay, mask=_kernels)] if weight_decay else []
    rate: Any = warmed_up(learning_rate, warmup_steps) if warmup_steps else learning_rate
    return optax.chain(scale_by_keras_adam(), *decay, optax.scale_by_learning_rate(rate))


def scale_by_keras_adam() -> optax.GradientTransformation:
    """Returns Adam's direction with epsilon where Keras places it.

    Keras adds epsilon to the root of the second moment before its bias is corrected. Optax adds it afterwards, so here
    its epsilon is `EPSILON / sqrt(1 - BETA2 ** step)`: 3.2e-6 at the first step, and close to EPSILON after thousands.
    """

    def update(gradients: Any, state: Any, parameters: Any = None) -> tuple[Any, Any]:
        step = jnp.asarray(optax.safe_increment(state.count), jnp.float32)
        epsilon = EPSILON / jnp.sqrt(1 - jnp.float32(BETA2) ** step)
        return optax.scale_by_adam(BETA1, BETA2, eps=epsilon).update(gradients, state, parameters)

    transform: Any = update  # optax's type leaves out further arguments
    return optax.GradientTransformation(optax.scale_by_adam(BETA1, BETA2).init, transform)


def warmed_up(learning_rate: float, steps: int) -> Callable[[Int[Array, ""]], Float[Array, ""]]:
    """Returns the learning rate as a function of the steps already taken: 1/steps of it at first, all of it from
    `steps` on."""

    def rate(taken: Int[Array, ""]) -> Float[Array, ""]:
        return learning_rate * jnp.minimum(1.0, (taken + 1).astype(jnp.float32) / steps)

    return rate


def _kernels(parameters: Any) -> Any:
    """Returns a tree like `parameters` that is True for every parameter called `kernel`."""

    def is_kernel(path: tuple, _: Any) -> bool:
        return any("kernel" in jax.tree_util.keystr((part,)) for part in path)

    return jax.tree_util.tree_map_with_path(is_kernel, parameters)
