"""Measures the time, error and memory of canonical correlations, against google/svcca and plain torch.

    python -m benchmarks.similarity --peer PATH/cca_core.py

google/svcca (Apache-2.0) is not part of this project. Download it with

    curl -LO https://raw.githubusercontent.com/google/svcca/master/cca_core.py

All methods take turns on the same data in one process. The best of the repeats counts, after a first run of tljax that
compiles. Errors are computed against a singular value decomposition in float64. If other programs use the machine,
compare CPU time: --clock cpu with OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1, because threads that wait count as busy.
"""

import argparse
import importlib.util
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import torch

from tljax.similarity.cca import canonical_correlations

SIZES = [(n, d) for d in (64, 512, 2048) for n in (10_000, 100_000)]


def plain(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns two views `n d` of rectified features with a shared signal, float32."""
    rng = np.random.default_rng(seed)
    x = np.maximum(rng.standard_normal((n, d), np.float32), 0)
    return x, np.maximum(x + rng.standard_normal((n, d), np.float32), 0)


def hardened(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the same with some channels constant, some near copies, scales over six decades, and large means."""
    rng, tenth = np.random.default_rng(1), d // 10

    def harden(view: np.ndarray) -> np.ndarray:
        view = view.copy()
        view[:, :tenth] = 0
        view[:, tenth : 2 * tenth] = view[:, -tenth:] + 1e-6 * rng.standard_normal((n, tenth), np.float32)
        return (view + np.float32(10)) * np.logspace(-3, 3, d, dtype=np.float32)

    x, y = plain(n, d)
    return harden(x), harden(y)


def ours(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return canonical_correlations(x, y)


def ours64(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return canonical_correlations(x, y, dtype="float64")


def plain_torch(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Computes the correlations by covariances, inverse square roots by eigh, and singular values; float32."""
    x, y = (torch.from_numpy(view) - torch.from_numpy(view).mean(0) for view in (x, y))

    def whitener(view: torch.Tensor) -> torch.Tensor:
        values, vectors = torch.linalg.eigh(view.T @ view)
        kept = values > 1e-6 * values[-1]
        return vectors[:, kept] / values[kept].sqrt()

    return torch.linalg.svdvals(whitener(x).T @ (x.T @ y) @ whitener(y)).numpy()


def load_peer(path: Path) -> Callable:
    """Returns google/svcca's `get_cca_similarity`, with the settings of the paper."""
    spec = importlib.util.spec_from_file_location("cca_core", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def peer(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return module.get_cca_similarity(x.T, y.T, epsilon=1e-12, verbose=False)["cca_coef1"]

    return peer


def reference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the correlations in float64 from SVDs of the samples, with the rank that float32 inputs allow."""

    def basis(view: np.ndarray) -> np.ndarray:
        centred = view.astype(np.float64) - view.mean(0, dtype=np.float64)
        length = np.linalg.norm(centred, axis=0)
        alive = length > 1e-6 * np.linalg.norm(view.astype(np.float64), axis=0)
        left, values, _ = np.linalg.svd(centred[:, alive] / length[alive], full_matrices=False)
        return left[:, np.square(values) > 1e-5 * np.square(values[0])]

    return np.linalg.svd(basis(x).T @ basis(y), compute_uv=False)


def compare_times(
    methods: dict[str, Callable], sizes: list[tuple[int, int]], repeats: int, clock: Callable[[], float]
) -> None:
    print("\n| n | d | " + " | ".join(f"{name}, s" for name in methods) + " | google/svcca over tljax |")
    print("|---" * (len(methods) + 3) + "|")
    for n, d in sizes:
        x, y = plain(n, d)
        ours(x, y), ours64(x, y)
        best = dict.fromkeys(methods, np.inf)
        for _ in range(repeats):
            for name, method in methods.items():
                start = clock()
                method(x, y)
                best[name] = min(best[name], clock() - start)
        cells = [f"{n:,}", str(d), *(f"{best[name]:.3f}" for name in methods)]
        print(f"| {' | '.join(cells)} | {best['google/svcca'] / best['tljax']:.1f} |", flush=True)


def compare_errors(methods: dict[str, Callable], n: int, d: int) -> None:
    print("\n| features | method | correlations | largest | worst error | error of the mean |")
    print("|---|---|---|---|---|---|")
    for kind, make in (("plain", plain), ("hardened", hardened)):
        x, y = make(n, d)
        exact = reference(x, y)
        for name, method in methods.items():
            try:
                found = np.asarray(method(x, y), np.float64)
            except Exception as failure:
                print(f"| {kind} | {name} | fails: {type(failure).__name__} | | | |")
                continue
            both = min(len(found), len(exact))
            worst = np.abs(found[:both] - exact[:both]).max()
            mean = abs(found.mean() - exact.mean())
            print(f"| {kind} | {name} | {len(found)} of {len(exact)} | {found.max():.4f} | {worst:.1e} | {mean:.1e} |")


def peak_memory(n: int, d: int) -> float:
    """Returns the peak of memory of this process in MiB, with samples made in batches, as a network makes them."""
    import jax.numpy as jnp

    from tljax.similarity import moments
    from tljax.similarity.results import measure_all

    state = moments.empty({"x": d, "y": d}, [("x", "y")])
    add = jax.jit(moments.added, donate_argnums=0)
    for start in range(0, n, 5000):
        x, y = plain(5000, d, seed=start)
        state = jax.block_until_ready(add(state, {"x": jnp.asarray(x), "y": jnp.asarray(y)}))  # as a comparison does
    jax.block_until_ready(measure_all(state, ("cca",)))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare_memory(samples: tuple[int, ...]) -> None:
    """Prints the peak of memory by number of samples. Call it first: a process inherits the peak of its parent."""
    print("| n at d = 512 | peak memory, MiB |\n|---|---|", flush=True)
    for n in samples:
        subprocess.run([sys.executable, __file__, "--memory-of", str(n)], check=True)


def print_comparison_memory(count: int) -> None:
    """Prints the memory of the full protocol for every two of `count` random ResNet50s, with 120 images of 64 px."""
    from tljax.compare import compare, full
    from tljax.weights import networks

    def gathering(*arguments, **options):
        found = jax.block_until_ready(gather(*arguments, **options))
        moments = sum(leaf.nbytes for leaf in jax.tree.leaves(found))
        print(f"moments {moments / 1e9:.2f} GB; the peak so far {peak():.2f} GB", flush=True)
        return found

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    gather, full.gather = full.gather, gathering
    images = np.random.default_rng(0).integers(0, 255, (120, 64, 64, 3), dtype=np.uint8)
    nets = [networks.resolve(f"random:{seed}") for seed in range(count)]
    print(f"{count} networks loaded: the peak so far {peak():.2f} GB", flush=True)
    compare(nets, images, measures=("debiased_cka",), progress=True)
    print(f"peak of the whole {peak():.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, help="cca_core.py of google/svcca")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--largest", type=int, default=10**9, help="leave out sizes with more numbers (n d) than this")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)  # of a process per size
    parser.add_argument("--networks", type=int, help="print instead the memory of comparing this many ResNet50s")
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(f"| {arguments.memory_of:,} | {peak_memory(arguments.memory_of, 512):.0f} |")
        return
    if arguments.networks:
        print_comparison_memory(arguments.networks)
        return
    if arguments.peer is None:
        parser.error("--peer is needed; get it with curl as the description says")
    print(f"jax {jax.__version__}, numpy {np.__version__}, torch {torch.__version__}, {jax.devices()[0].device_kind}\n")
    methods = {"tljax": ours, "tljax, float64": ours64, "google/svcca": load_peer(arguments.peer), "torch": plain_torch}
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[arguments.clock]
    sizes = [(n, d) for n, d in SIZES if n * d <= arguments.largest]
    compare_memory((10_000, 50_000, 200_000, 400_000))
    compare_times(methods, sizes, arguments.repeats, clock)
    compare_errors(methods, 10_000, 64)


if __name__ == "__main__":
    main()
