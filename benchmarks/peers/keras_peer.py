"""A network of keras.applications, on Keras' JAX backend, for comparisons."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")


@dataclass
class KerasPeer:
    """A network of Keras, and where our layers are in it. It stands for a `Peer` in `benchmarks/parity.py`."""

    network: Any  # keras.Model, of images of any size
    layers: dict[str, str]
    """Our layer -> the Keras layer that gives the same; `features` among them."""
    side: int = 64
    other_side: int = 96
    channels: int = 3
    file: str = "weights.keras"  # its suffix says how Keras saves it

    def randomise(self) -> None:
        """Gives every tensor random values of which none is trivial."""
        rng = np.random.default_rng(0)

        def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
            noise = rng.standard_normal(shape, np.float32)
            if name in ("gamma", "moving_variance"):
                return 1 + 0.2 * noise.clip(-3, 3)
            return noise / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.3 * noise

        for layer in self.network.layers:
            layer.set_weights([drawn(weight.name, tuple(weight.shape)) for weight in layer.weights])

    def outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns features `b c` and activations `b h w c` by our names of the layers."""
        import jax
        import keras

        ends = {name: self.network.get_layer(layer).output for name, layer in self.layers.items()}
        probe = keras.Model(self.network.input, ends)
        with jax.default_matmul_precision("highest"):
            return {name: np.asarray(value) for name, value in probe.predict(images, verbose=0).items()}

    def save(self, folder: Path) -> Path:
        """Saves the whole network."""
        path = folder / self.file
        self.network.save(path)
        return path
