"""Compiles a network to a program from pixels to averaged features, and reports its cost."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from tljax.core.devices import operations, replicated, spread
from tljax.core.errors import UserError
from tljax.models import forward
from tljax.weights.networks import Network


class AveragedForward:
    """Computes features of batches of one shape: `features`, the backbone's output, and `layer:<name>` for each layer.

    Layers are averaged over their positions. All features are float32, even if the network computes in bfloat16.
    """

    def __init__(self, network: Network, layers: Sequence[str], batch_size: int, image_size: int):
        """Compiles the program. Raises UserError for a layer that the network does not have."""
        require_layers(network, layers)
        passed = forward.Forward(network.model, network.normalisation, tuple(layers))
        self.mesh = passed.mesh
        self.batch_size = batch_size + -batch_size % self.mesh.size
        self._state = passed.state

        def averaged(state: Any, images: UInt8[Array, "b h w 3"]) -> dict[str, Float[Array, "b _c"]]:
            pooled, found = passed.apply(state, images)
            means = {f"layer:{name}": found[name].astype(jnp.float32).mean((1, 2)) for name in layers}
            return {"features": pooled.astype(jnp.float32), **means}

        shape = (self.batch_size, image_size, image_size, 3)
        images = jax.ShapeDtypeStruct(shape, jnp.uint8, sharding=spread(self.mesh))
        lowered = jax.jit(averaged, out_shardings=replicated(self.mesh)).lower(self._state, images)
        self.widths = {name: array.shape[1] for name, array in lowered.out_info.items()}
        self._operations = operations(averaged, self._state, images)
        self._program = lowered.compile()

    def __call__(self, images: UInt8[Array, "b h w 3"]) -> dict[str, Float[Array, "b _c"]]:
        """Returns the features `b c` of a batch that is on the devices, without waiting for the computation."""
        return self._program(self._state, images)

    @property
    def multiply_adds(self) -> float | None:
        """Multiply-adds for one image: half of the operations that the compiler counts. None if it does not count."""
        return self._operations / 2 / self.batch_size if self._operations else None

    @property
    def bytes(self) -> int | None:
        """Bytes of memory that the program needs for one batch, including the network's parameters."""
        memory = self._program.memory_analysis()
        if memory is None:
            return None
        return memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes


def require_layers(network: Network, layers: Sequence[str]) -> None:
    """Raises UserError for a layer that the network does not have."""
    known = dict.fromkeys((*network.model.named_layers, *network.model.all_layers))
    if unknown := [name for name in layers if name not in known]:
        raise UserError(f"{network.label} has no layer {', '.join(unknown)}; it has {', '.join(known)}")
