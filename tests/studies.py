"""Small studies of the embedded data, and their tables, for the tests."""

import csv
from pathlib import Path
from typing import Any

from tljax.config import StudyConfig, TrainConfig

TINY = TrainConfig(backbone="resnet_tiny", image_size=32, epochs=1, augment="none")


def phantom_study(workdir: Path, **settings: Any) -> StudyConfig:
    """Two folds from random initialisation, but for `settings`."""
    defaults = {"tasks": ("phantom",), "inits": ("random",), "freezes": (False,), "folds": (1, 2), "train": TINY}
    return StudyConfig(workdir=workdir, **defaults | settings)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def without_clock(results: Path) -> dict[str, list[dict[str, str]]]:
    """All tables, less the seconds that runs took."""
    tables = {path.name: rows_of(path) for path in sorted(results.glob("*.csv"))}
    for row in tables["runs.csv"]:
        del row["seconds"]
    return tables
