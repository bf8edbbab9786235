"""Fits many L2-regularised logistic regressions on the same images at once, in one program on the device.

Each problem has its own training images (a mask) and its own penalties. All problems share the feature matrix, so that
every step is one matrix product. Newton's method is used, with conjugate gradients for its linear systems. In the
coordinates of `tljax.screen.geometry.isometric`, the matrix has orthogonal columns, and a diagonal preconditioner makes
the conjugate gradients converge in a few steps.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

NEWTON_STEPS, CG_STEPS, HALVINGS = 50, 100, 30
FORCING = 0.05  # residual up to which each linear system is solved, relative to its right-hand side


class Solution(NamedTuple):
    """Weights and biases of `p` problems with `k` outputs: one output for two classes, else one per class."""

    weights: Float[Array, "r p k"]
    bias: Float[Array, "p k"]


@jax.jit
def solve(
    points: Float[Array, "n r"],
    targets: Float[Array, "n k"],
    masks: Bool[Array, "p n"],
    penalties: Float[Array, "s p"],
    tolerance: Float[Array, ""],
) -> Solution:
    """Minimises, for each problem and penalty, the sum of the log losses of its images + penalty / 2 * |weights|^2.

    Args:
        points: features in coordinates with orthogonal columns (`tljax.screen.geometry.isometric`).
        targets: 1 for the class of an image, else 0; only one column, the second class, if there are two classes.
        masks: the images to which each problem is fitted.
        penalties: positive. Each row starts from the solution of the row before, so falling penalties are fastest.
            Biases are not penalised.
        tolerance: largest difference between the loss of a problem and its minimum, in nats.

    Returns:
        Weights `s r p k` and biases `s p k`.
    """

    def fit(start: Solution, penalty: Float[Array, " p"]) -> tuple[Solution, Solution]:
        problem = _Problem(points, targets[:, None, :], masks.T[:, :, None], penalty[:, None])
        found = _minimum(problem, start, tolerance)
        return found, found

    p, k = masks.shape[0], targets.shape[1]
    nothing = Solution(*(jnp.zeros(shape, points.dtype) for shape in ((points.shape[1], p, k), (p, k))))
    return lax.scan(fit, nothing, penalties)[1]


def _minimum(problem: "_Problem", start: Solution, tolerance: Float[Array, ""]) -> Solution:
    """Returns the minimum, found by Newton's method from `start`."""

    def step(state: tuple) -> tuple:
        solution, logits, done, count = state
        gradient, probabilities = problem.gradient(solution, logits)
        direction = problem.newton_direction(gradient, probabilities)
        decrement = -_dot(gradient, direction)  # twice the remaining decrease, if the loss is nearly quadratic
        change = problem.logits(direction)
        length = jnp.where(done, 0, problem.step_length(solution, logits, direction, change, decrement))
        done = done | (decrement / 2 < tolerance)
        return _plus(solution, length, direction), logits + length[None, :, None] * change, done, count + 1

    def unfinished(state: tuple) -> Bool[Array, ""]:
        return ~jnp.all(state[2]) & (state[3] < NEWTON_STEPS)

    nothing_done = jnp.zeros(problem.masks.shape[1], bool)
    state = (start, problem.logits(start), nothing_done, jnp.array(0, jnp.int32))
    return lax.while_loop(unfinished, step, state)[0]


def log_probabilities(logits: Float[Array, "*some k"]) -> Float[Array, "*some classes"]:
    """Returns the log-probability of every class. A single logit is that of the second of two classes."""
    if logits.shape[-1] == 1:
        return jnp.concatenate([-jax.nn.softplus(logits), -jax.nn.softplus(-logits)], axis=-1)
    return jax.nn.log_softmax(logits, axis=-1)


class _Problem(NamedTuple):
    points: Float[Array, "n r"]
    targets: Float[Array, "n 1 k"]
    masks: Bool[Array, "n p 1"]
    penalties: Float[Array, "p 1"]

    def logits(self, solution: Solution) -> Float[Array, "n p k"]:
        return _product(self.points, solution.weights) + solution.bias[None]

    def loss(self, logits: Float[Array, "n p k"], weights: Float[Array, "r p k"]) -> Float[Array, " p"]:
        level = jax.nn.softplus(logits) if self._binary else jax.nn.logsumexp(logits, axis=-1, keepdims=True)
        losses = jnp.where(self.masks, level, 0).sum((0, 2)) - jnp.where(self.masks, self.targets * logits, 0).sum(
            (0, 2)
        )
        return losses + self.penalties[:, 0] / 2 * jnp.square(weights).sum((0, 2))

    def gradient(self, solution: Solution, logits: Float[Array, "n p k"]) -> tuple[Solution, Float[Array, "n p k"]]:
        """Returns the gradient, and the probabilities, from which the second derivative follows."""
        probabilities = jax.nn.sigmoid(logits) if self._binary else jax.nn.softmax(logits, axis=-1)
        residual = jnp.where(self.masks, probabilities - self.targets, 0)
        gradient = self._backward(residual)
        penalty = self.penalties[None] * solution.weights
        return Solution(gradient.weights + penalty, gradient.bias), probabilities

    def newton_direction(self, gradient: Solution, probabilities: Float[Array, "n p k"]) -> Solution:
        """Solves (second derivative) (direction) = -gradient by conjugate gradients, for all problems at once."""
        variance = jnp.where(self.masks, probabilities * (1 - probabilities), 0).sum(0)  # p k
        lengths = jnp.square(self.points).sum(0) / self.points.shape[0]
        scale = Solution(
            1 / (lengths[:, None, None] * variance[None] + self.penalties[None]), 1 / jnp.maximum(variance, 1e-30)
        )
        if not self._binary:  # adding a constant to all biases changes nothing, so the direction must not contain one
            scale = scale._replace(bias=jnp.broadcast_to(scale.bias.mean(-1, keepdims=True), scale.bias.shape))

        def curved(direction: Solution) -> Solution:
            change = self.logits(direction)
            if self._binary:
                change = probabilities * (1 - probabilities) * change
            else:
                change = probabilities * (change - (probabilities * change).sum(-1, keepdims=True))
            bent = self._backward(jnp.where(self.masks, change, 0))
            return Solution(bent.weights + self.penalties[None] * direction.weights, bent.bias)

        def step(state: tuple) -> tuple:
            found, residual, direction, product, count = state
            bent = curved(direction)
            length = _ratio(product, _dot(direction, bent))
            length = jnp.where(product > enough, length, 0)
            found = _plus(found, length, direction)
            residual = _plus(residual, -length, bent)
            scaled = _times(residual, scale)
            following = _dot(residual, scaled)
            direction = _plus(scaled, _ratio(following, product), direction)
            return found, residual, direction, jnp.where(product > enough, following, product), count + 1

        residual = jax.tree.map(jnp.negative, gradient)
        scaled = _times(residual, scale)
        product = _dot(residual, scaled)
        enough = product * FORCING**2
        nothing = jax.tree.map(jnp.zeros_like, gradient)
        start = (nothing, residual, scaled, product, jnp.array(0, jnp.int32))
        unsolved: Callable = lambda state: jnp.any(state[3] > enough) & (state[4] < CG_STEPS)  # noqa: E731
        return lax.while_loop(unsolved, step, start)[0]

    def step_length(
        self,
        solution: Solution,
        logits: Float[Array, "n p k"],
        direction: Solution,
        change: Float[Array, "n p k"],
        decrement: Float[Array, " p"],
    ) -> Float[Array, " p"]:
        """Returns 1, halved until the loss decreases sufficiently (the Armijo rule)."""
        here = self.loss(logits, solution.weights)

        def too_long(length: Float[Array, " p"]) -> Bool[Array, " p"]:
            weights = solution.weights + length[None, :, None] * direction.weights
            there = self.loss(logits + length[None, :, None] * change, weights)
            slack = 1e-12 * jnp.abs(here)  # rounding error near the minimum
            return there > here - 1e-4 * length * decrement + slack

        def halve(state: tuple) -> tuple:
            length, long, count = state
            length = jnp.where(long, length / 2, length)
            return length, too_long(length), count + 1

        length = jnp.ones_like(decrement)
        start = (length, too_long(length), jnp.array(0, jnp.int32))
        return lax.while_loop(lambda state: jnp.any(state[1]) & (state[2] < HALVINGS), halve, start)[0]

    @property
    def _binary(self) -> bool:
        return self.targets.shape[2] == 1

    def _backward(self, residual: Float[Array, "n p k"]) -> Solution:
        return Solution(_product(self.points.T, residual), residual.sum(0))


def _product(matrix: Float[Array, "a b"], columns: Float[Array, "b p k"]) -> Float[Array, "a p k"]:
    return jnp.tensordot(matrix, columns, 1, precision=lax.Precision.HIGHEST)


def _dot(a: Solution, b: Solution) -> Float[Array, " p"]:
    return (a.weights * b.weights).sum((0, 2)) + (a.bias * b.bias).sum(1)


def _times(a: Solution, b: Solution) -> Solution:
    return jax.tree.map(jnp.multiply, a, b)


def _plus(a: Solution, factor: Float[Array, " p"], b: Solution) -> Solution:
    return Solution(a.weights + factor[None, :, None] * b.weights, a.bias + factor[:, None] * b.bias)


def _ratio(a: Float[Array, " p"], b: Float[Array, " p"]) -> Float[Array, " p"]:
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1), 0)
