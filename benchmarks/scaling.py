"""Trains on 1, 2, 4 and 8 devices, and compares the parameters and the data that the devices exchange in a step.

    python -m benchmarks.scaling [--backbone resnet50] [--variant torch_v1.5] [--image-size 64] [--float64]

On a CPU the devices are forced (`--xla_force_host_platform_device_count`). This shows whether sharding is right and
what it communicates, but not how fast it is.
"""

import math
import os
import re

import jax
import numpy as np
import tyro
from jax.sharding import Mesh

from tljax import models
from tljax.core import devices
from tljax.models.normalisation import NORMALISATIONS
from tljax.train import engine

BATCH = 12  # does not divide by 8: batches are padded and masked
WARMUP_STEPS, WEIGHT_DECAY = 4, 0.05
COLLECTIVE = re.compile(r"= (.*?) (?:all-reduce|all-gather|reduce-scatter|collective-permute|all-to-all)(?:-start)?\(")
BYTES = {"f64": 8, "s64": 8, "f32": 4, "s32": 4, "u32": 4, "bf16": 2, "f16": 2, "pred": 1, "u8": 1, "s8": 1}


def force_devices(count: int) -> None:
    """Makes jax show this many CPU devices. Call it before jax first looks for devices."""
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"


def collective_bytes(program: str) -> int:
    """Returns the bytes of the results of all collectives in a compiled program, on each device."""
    shapes = [shape for line in COLLECTIVE.findall(program) for shape in re.findall(r"(\w+)\[([\d,]*)\]", line)]
    return sum(BYTES[kind] * math.prod(int(size) for size in sizes.split(",") if size) for kind, sizes in shapes)


def train(
    count: int, backbone: str, image_size: int, steps: int, variant: str = "torch_v1.5"
) -> tuple[dict[str, np.ndarray], int, int]:
    """Returns the tensors after some steps, the collective bytes of a step, and the bytes of the parameters."""
    mesh = Mesh(np.array(jax.devices()[:count]), ("data",))
    recipe = engine.Recipe(NORMALISATIONS["imagenet"], True, True, 1e-5, BATCH, "all", mesh, WARMUP_STEPS, WEIGHT_DECAY)
    double = jax.config.jax_enable_x64
    model = models.build(backbone, variant, 2, dropout=0.0, dtype="float64" if double else "float32")
    (graph, _), state = engine.split(model, recipe)
    if double:
        state = jax.tree.map(lambda leaf: leaf.astype("float64") if leaf.dtype == "float32" else leaf, state)
    state = jax.device_put(state, devices.replicated(mesh))
    rng, slots = np.random.default_rng(0), BATCH + -BATCH % count
    images = rng.integers(0, 256, (steps, BATCH, image_size, image_size, 3), dtype=np.uint8)
    labels = rng.integers(0, 2, (steps, BATCH), dtype=np.int32)
    filled = ((0, 0), (0, slots - BATCH))
    batches = (np.pad(images, (*filled, (0, 0), (0, 0), (0, 0))), np.pad(labels, filled))
    mask = jax.device_put(np.arange(slots) < BATCH, devices.spread(mesh))
    step = None
    for number in range(steps):
        inputs = [jax.device_put(part[number], devices.spread(mesh)) for part in batches]
        key = jax.device_put(jax.random.key(number), devices.replicated(mesh))
        step = step or engine.make_step(graph, recipe).lower(state, *inputs, mask, key).compile()
        state, _ = step(state, *inputs, mask, key)
    parameters = sum(leaf.nbytes for leaf in jax.tree.leaves(state.trained))
    engine.restore(model, engine.weights_of(state))
    return models.flatten(model), collective_bytes(step.as_text()), parameters


def difference(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Returns the largest difference of a tensor relative to its norm.

    Biases of convolutions are left out. BatchNorm cancels them, so that their gradients are only rounding errors, which
    Adam scales up to whole steps.
    """
    names = [name for name in one if not ("conv" in name and name.endswith(".bias"))]
    return max(float(np.linalg.norm(one[name] - other[name]) / np.linalg.norm(one[name])) for name in names)


def difference_at_once(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Returns the difference of all tensors as one vector, relative to its norm.

    In a network as deep as ResNet50, the gradients of single tensors are uncertain in float32 for any number of
    devices. Biases that begin at zero then move by whole steps of Adam in either direction.
    """
    apart = sum(float(np.square(one[name] - other[name]).sum()) for name in one)
    return math.sqrt(apart / sum(float(np.square(tensor).sum()) for tensor in one.values()))


def main(
    backbone: str = "resnet50",
    variant: str = "torch_v1.5",
    image_size: int = 64,
    steps: int = 10,
    float64: bool = False,
) -> None:
    jax.config.update("jax_enable_x64", float64)
    force_devices(8)  # only of the CPU; GPUs are used as they are
    devices.use_compilation_cache()
    precision = "float64" if float64 else "float32"
    print(f"{backbone}, batch {BATCH}, {image_size} px, {steps} steps, {precision}, jax {jax.__version__}")
    reference = None
    for count in (1, 2, 4, 8):
        if count <= len(jax.devices()):
            tensors, sent, parameters = train(count, backbone, image_size, steps, variant)
            reference = reference or tensors
            print(
                f"{count} devices: parameters differ by {difference_at_once(reference, tensors):.1e} at once, "
                f"{difference(reference, tensors):.1e} in the worst tensor; "
                f"collectives {sent / 1e6:.2f} MB a step, {sent / parameters:.3f} of the parameters' bytes",
                flush=True,
            )


if __name__ == "__main__":
    tyro.cli(main)
