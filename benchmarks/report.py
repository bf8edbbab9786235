"""How long a report of 350 runs takes and how large it is: the paper's grid, seven tasks with two seeds.

    python benchmarks/report.py

The runs are simulated (predictions, curves, comparisons; no networks), in folders as training and study write them.
"""

import sys
import tempfile
import time
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


def make_workdir(folder: Path) -> int:
    """Writes the study and returns its number of runs."""
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


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        count = make_workdir(Path(folder))
        start, busy = time.perf_counter(), time.process_time()
        page = write_report(Path(folder))
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        figures = len(list((page.parent / "figures").glob("*.pdf")))
        print(
            f"{count} runs, {figures} figures: {seconds:.0f} s ({busy:.0f} s of processor), "
            f"{page.stat().st_size / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    main()
