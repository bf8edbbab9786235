"""What does the selection of an epoch change? Reads the finished runs of a study.

    python -m benchmarks.selected_epochs STUDY

A row is an initialisation under one condition: mean and standard deviation of the AUC over folds. "selected" is the
epoch that the run kept, "last" is its last epoch. "held-out" is over validation and test images together, as the
published AUCs are.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from tljax.core import runs

COLUMNS = (
    ("test, selected", lambda result: result["test"]["auc"]),
    ("test, last", lambda result: result["last"]["test"]["auc"]),
    ("held-out, selected", lambda result: result["held_out"]["auc"]),
    ("held-out, last", lambda result: result["last"]["held_out"]["auc"]),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    results = defaultdict(list)
    for path in sorted(parser.parse_args().study.glob("*/*/fold*")):
        run = runs.read_run(path)
        if run.status == "finished":
            results[run.task, path.parent.name].append(run.result)
    names = [name for name, _ in COLUMNS]
    print(f"| task | networks | folds | {' | '.join(names)} | epochs selected |")
    print("|---" * (len(names) + 4) + "|")
    for (task, condition), found in results.items():
        values = [np.array([score(result) for result in found]) for _, score in COLUMNS]
        cells = " | ".join(f"{each.mean():.3f} ± {each.std(ddof=1):.3f}" for each in values)
        epochs = ", ".join(str(result["epoch"]) for result in found)
        print(f"| {task} | {condition} | {len(found)} | {cells} | {epochs} |")


if __name__ == "__main__":
    main()
