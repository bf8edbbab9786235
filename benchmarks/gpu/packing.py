"""Step 7: several runs at once on one chip: throughput of N processes, and of runs stacked in one program."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jax

from benchmarks.gpu import material
from benchmarks.gpu.record import Record, arguments


def main() -> None:
    options = arguments(__doc__)
    record = Record(options.out, "packing")
    work = material.WEIGHTS.parent / f"packing-{os.getpid()}"
    alone = 0.0
    for number in (1, 2) if options.toy else (1, 2, 4, 8):
        rate = _processes(work / str(number), number, options.toy)
        alone = alone or rate
        record.say(
            f"{number} processes, batch 16: {rate:.0f} images/s in all, {rate / alone:.2f} times one alone",
            processes=number,
            rate=rate,
        )
    for number in (1, 2) if options.toy else (1, 2, 4):
        rate = _stacked(number, options.toy)
        record.say(
            f"{number} runs stacked in one program (vmap), batch 16: {rate:.0f} images/s", stacked=number, rate=rate
        )


def _processes(work: Path, number: int, toy: bool) -> float:
    """Returns the images per second of all processes together, in the epochs after the first."""
    settings = {"image_size": 32 if toy else 224, "epochs": 3 if toy else 6, "batch_size": 16, "select": "last"}
    settings |= material.settings(toy) | material.network(toy)
    environment = os.environ | {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / number:.3f}"}
    running = []
    for seed in range(number):
        flags = settings | {"seed": seed, "workdir": work / str(seed)}
        words = [word for name, value in flags.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        command = [sys.executable, "-m", "tljax.train", *words, "--quiet"]
        running.append(subprocess.Popen(command, env=environment))
    if any(process.wait() for process in running):
        raise RuntimeError(f"one of {number} processes failed")
    rate = 0.0
    for path in work.glob("*/*/*/fold1/metrics.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()][1:]
        images = sum(row["images_per_second"] * row["seconds"] for row in rows)
        rate += images / sum(row["seconds"] for row in rows)
    return rate


def _stacked(number: int, toy: bool) -> float:
    """Returns the images per second of `number` networks that one program trains at once."""
    from benchmarks.gpu.ours import LEARNING_RATE, NORMALISATION
    from tljax import models
    from tljax.core import devices
    from tljax.train import engine

    size, batch, steps = (32, 8, 2) if toy else (224, 16, 10)
    recipe = engine.Recipe(NORMALISATION, False, True, LEARNING_RATE, batch, "all", devices.data_mesh())
    states = []
    for seed in range(number):
        backbone = "resnet_tiny" if toy else "resnet50"
        model = models.build(backbone, "torch_v1.5", 2, seed=seed, dropout=0.0, dtype=devices.compute_dtype(None))
        (graph, _), state = engine.split(model, recipe)
        states.append(state)
    stacked = jax.tree.map(lambda *leaves: jax.numpy.stack(leaves), *states)
    images, labels = material.pixels(batch, size)

    def step(state, key):
        return engine.train_step(graph, recipe, state, jax.numpy.asarray(images), jax.numpy.asarray(labels), None, key)[
            0
        ]

    run = jax.jit(jax.vmap(step), donate_argnums=0)
    keys = jax.random.split(jax.random.key(0), number)
    stacked = jax.block_until_ready(run(stacked, keys))
    began = time.perf_counter()
    for _ in range(steps):
        stacked = run(stacked, keys)
    jax.block_until_ready(stacked)
    return number * batch * steps / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
