"""Step 5: a full comparison of two networks against their forward passes alone; CCA against google/svcca on the CPU."""

import importlib.util
import time
from collections.abc import Callable

import jax
import numpy as np

from benchmarks.gpu import material
from benchmarks.gpu.record import Record, arguments
from tljax.compare import compare
from tljax.models.forward import Forward
from tljax.similarity.cca import canonical_correlations
from tljax.weights import networks

BATCH = 100


def main() -> None:
    options = arguments(__doc__)
    record = Record(options.out, "comparison")
    backbone, count, size = ("resnet_tiny", 40, 32) if options.toy else ("resnet50", 2000, 112)
    images, _ = material.pixels(count, size)
    pair = [networks.resolve(f"random:{seed}", backbone=backbone, variant="torch_v1.5") for seed in (0, 1)]
    passes = [Forward(network.model, network.normalisation) for network in pair]
    forward = _seconds(lambda: _forward(passes, images))
    whole = _seconds(lambda: compare(pair, images, protocol="full", batch_size=BATCH))
    record.say(
        f"full comparison of two {backbone}, all named layers, {count} images, {size} px: {whole:.2f} s, "
        f"{whole / forward:.2f} times the two forward passes alone ({forward:.2f} s; goal 1.5)",
        whole=whole,
        forward=forward,
    )
    n, width = (1000, 16) if options.toy else (100_000, 512)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, width), np.float32)
    y = x + rng.standard_normal((n, width), np.float32)
    ours = _seconds(lambda: canonical_correlations(x, y))
    peer = _peer()
    if peer is None:
        record.say(f"CCA, n = {n}, d = {width}: {ours:.3f} s; google/svcca not measured (no cca_core.py)", ours=ours)
        return
    began = time.perf_counter()
    peer(x.T, y.T, epsilon=1e-12, verbose=False)
    theirs = time.perf_counter() - began
    record.say(
        f"CCA, n = {n}, d = {width}: {ours:.3f} s, google/svcca on this machine's CPU {theirs:.2f} s: "
        f"{theirs / ours:.0f} times its speed (goal 50)",
        ours=ours,
        theirs=theirs,
    )


def _seconds(work: Callable[[], object]) -> float:
    """Returns the seconds of the second run; the first one compiles."""
    work()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _forward(passes: list[Forward], images: np.ndarray) -> None:
    for each in passes:
        found = [features for features, _, _ in each.over(images, BATCH)]
        jax.block_until_ready(found)


def _peer():
    """`get_cca_similarity` of google/svcca, if its cca_core.py was packed."""
    path = material.PACKED / "cca_core.py"
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location("cca_core", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_cca_similarity


if __name__ == "__main__":
    main()
