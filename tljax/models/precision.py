"""The precision in which sums and statistics are computed, whatever that of the network."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def at_least_float32(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns x, in float32 if it has fewer bits."""
    return x if jnp.finfo(x.dtype).bits >= 32 else x.astype(jnp.float32)
