"""Measures how long a report takes and how large it is.

    python -m benchmarks.report                  # 350 runs: the paper's grid, seven tasks, with two seeds
    python -m benchmarks.report --runs 30000     # a grid of that many runs of the same tasks, or --runs 3000, ...

The runs are simulated (predictions, learning curves and comparisons; no networks), in folders as training and study
write them. `--analysis` stops before the page is drawn.
"""

import argparse
import resource
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workdirs import write_run

from tljax.core.files import write_csv
from tljax.core.paper import LAYERS
from tljax.report import write_report

TASKS = {"thyroid": 2, "breast": 2, "chest": 2, "mammograms": 2, "knee": 3, "isic": 7, "pcam-small": 2}
NETWORKS = (("imagenet", False), ("radimagenet", False), ("random", False), ("imagenet", True), ("radimagenet", True))
COLUMNS = ("task", "model1", "model2", "fold", "protocol", "measure", "layer1", "layer2", "value", "chance")


def make_paper(folder: Path) -> int:
    """Writes a study of the paper's grid with two seeds and returns its number of runs."""
    rng = np.random.default_rng(0)
    count, rows = 0, []
    for task, classes in TASKS.items():
        names = [f"class {c}" for c in range(classes)]
        for fold in range(1, 6):
            for seed in (0, 1):
                for init, freeze in NETWORKS:
                    where = {"freeze": freeze, "fold": fold, "seed": seed, "tag": f"seed{seed}"}
                    write_run(folder, task, init, **where, classes=names, images=300, epochs=60)
                    count += 1
            for model1, model2 in (
                ("imagenet-nofreeze", "imagenet"),
                ("imagenet", "radimagenet"),
                ("random", "random:1"),
            ):
                rows += [(task, model1, model2, fold, "paper", "cca", la, la, rng.random(), 0.07) for la in LAYERS]
        explain = folder / "explain" / task
        explain.mkdir(parents=True)
        kernels = rng.normal(size=(2, 7, 7, 3, 64))
        pixels = rng.integers(255, size=(12, 224, 224, 3), dtype=np.uint8)
        half = np.arange(12) % 2
        for init, freeze in NETWORKS:
            variant = f"{init}-{'freeze' if freeze else 'nofreeze'}"
            np.savez(explain / f"filters-{variant}.npz", before=kernels[0], after=kernels[1])
            np.savez(
                explain / f"gradcam-{variant}.npz", images=pixels, maps=rng.random((12, 7, 7)), files=half.astype(str),
                labels=half, predicted=np.arange(12) // 2 % 2, probability=rng.random(12), classes=np.array(names),
            )  # fmt: skip
    write_csv(folder / "results" / "representations.csv", COLUMNS, rows)
    return count


def make_grid(folder: Path, runs: int) -> int:
    """Writes a study of about that many runs: ten initialisations, five recipes, five folds, seeds until it is full."""
    inits = ("imagenet", "radimagenet", "random", *(f"network{number}" for number in range(7)))
    recipes = ("", "slow", "large", "plain", "long")
    cells = list(product(TASKS.items(), inits, recipes, range(1, 6)))
    seeds = max(1, round(runs / len(cells)))
    rows = []
    for (task, classes), init, recipe, fold in cells:
        names = [f"class {c}" for c in range(classes)]
        for seed in range(seeds):
            tag = "-".join(filter(None, (recipe, f"seed{seed}" if seed else "")))
            write_run(folder, task, init, fold=fold, seed=seed, tag=tag, classes=names, images=60, epochs=30)
            pair = (f"{init}-nofreeze" + (f"-{tag}" if tag else ""), init)
            rows += [(task, *pair, fold, "paper", "cca", layer, layer, 0.5, 0.07) for layer in LAYERS]
    write_csv(folder / "results" / "representations.csv", COLUMNS, rows)
    return len(cells) * seeds


def main() -> None:
    """Prints a line for the analysis and, without `--analysis`, one for the whole report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, help="default: the paper's grid")
    parser.add_argument("--analysis", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the study is written and kept; default: a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        if options.folder and folder.exists():
            count = sum(1 for _ in folder.glob("*/*/fold*"))
        else:
            count = make_grid(folder, options.runs) if options.runs else make_paper(folder)
        start, busy = time.perf_counter(), time.process_time()
        if options.analysis:
            from tljax.report.analysis.study import analyse

            analyse(folder)
            made = "analysis"
        else:
            page = write_report(folder)
            figures = len(list((page.parent / "figures").glob("*.pdf")))
            made = f"{figures} figures, {page.stat().st_size / 1e6:.1f} MB"
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{count} runs, {made}: {seconds:.0f} s ({busy:.0f} s of processor), peak {peak:.2f} GiB")


if __name__ == "__main__":
    main()
