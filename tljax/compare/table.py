"""What a comparison yields: tidy rows, and the authors' own table."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tljax.files import write_csv
from tljax.similarity.independent import level
from tljax.similarity.pair import Figure

AUTHORS_LAYERS = ("conv1", "block1", "block2", "block3", "block4")
AUTHORS_COLUMNS = ("model1", "model2", "fold", "stimuli", *AUTHORS_LAYERS)


@dataclass(frozen=True)
class Row:
    """One measure of two layers. Empty (None) is what could not be said; `flag` says why."""

    model1: str
    model2: str
    protocol: str
    measure: str
    layer1: str
    layer2: str
    value: float | None  # 0..1; debiased CKA may fall below 0
    low: float | None  # of the 95 % interval: over blocks of images or patients (full), over the repeats (paper)
    high: float | None
    chance: float | None  # the same measure with each image of model1 beside another image of model2
    n: int  # samples
    rank1: int
    rank2: int
    condition1: float
    condition2: float
    flag: str  # "" | "constant" | "too few samples"
    pool: str
    excess: float | None  # value above chance
    independent: float | None  # the level of independent Gaussian samples, where it has a closed form

    @classmethod
    def of(
        cls,
        models: tuple[str, str],
        layers: tuple[str, str],
        measure: str,
        protocol: str,
        pool: str,
        figure: Figure,
        interval: tuple[float, float] | None,
        chance: float,
    ) -> "Row":
        """A row of a figure, its interval and the same by chance."""
        n, rank1, rank2 = int(figure.n), int(figure.rank1), int(figure.rank2)
        constant = min(rank1, rank2) == 0
        value = None if constant else float(figure.value)
        low, high = interval if interval and not constant else (None, None)
        return cls(
            *models,
            protocol,
            measure,
            *layers,
            value,
            low,
            high,
            None if constant else chance,
            n,
            rank1,
            rank2,
            float(figure.condition1),
            float(figure.condition2),
            "constant" if constant else "" if figure.enough else "too few samples",
            pool,
            None if constant else value - chance,
            level(measure, n, rank1, rank2),
        )


def write_rows(path: Path, rows: Iterable[Row], task: str, fold: int, split: str) -> None:
    """A tidy CSV: what was shown to the networks, then the columns of `Row`."""
    named = [{"task": task, "fold": fold, "split": split} | asdict(row) for row in rows]
    columns = ("task", "model1", "model2", "fold", "split")
    columns += tuple(field.name for field in fields(Row) if field.name not in columns)
    _write(path, columns, named)


def write_authors(path: Path, rows: Iterable[Row], task: str, fold: int) -> None:
    """The mean CCA in the schema of the paper's `CCA_<task>.csv`; rows already there, of other networks, stay."""
    new = authors_rows(rows, task, fold)
    key = ("model1", "model2", "fold", "stimuli")
    replaced = {tuple(row[name] for name in key) for row in new}
    old = []
    if path.is_file():
        with path.open(newline="") as file:
            old = [row for row in csv.DictReader(file) if tuple(row[name] for name in key) not in replaced]
    _write(path, AUTHORS_COLUMNS, old + new)


def authors_rows(rows: Iterable[Row], task: str, fold: int) -> list[dict[str, str | float]]:
    """One row for every two networks whose mean CCA is known at all of the paper's layers."""
    tables: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row.measure == "cca" and row.layer1 == row.layer2:
            tables.setdefault((row.model1, row.model2), {})[row.layer1] = row.value
    return [
        {"model1": one, "model2": other, "fold": f"fold{fold}", "stimuli": task}
        | {layer: values[layer] for layer in AUTHORS_LAYERS}
        for (one, other), values in tables.items()
        if set(AUTHORS_LAYERS) <= set(values)
    ]


def _write(path: Path, columns: Sequence[str], rows: Iterable[dict]) -> None:
    write_csv(path, columns, ([row.get(name, "") for name in columns] for row in rows))
