"""Sets the precision of sums and statistics, independently of the network's precision."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def at_least_float32(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns x, converted to float32 if it has fewer bits."""
    return x if jnp.finfo(x.dtype).bits >= 32 else x.astype(jnp.float32)
