"""The results of a comparison: rows of the tidy table, and the authors' table."""

import csv
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from tljax.core import paper
from tljax.core.coverage import COVERS
from tljax.core.errors import UserError
from tljax.core.files import write_csv
from tljax.similarity import modules
from tljax.similarity.independent import level
from tljax.similarity.results import Corrected
from tljax.similarity.views import Measurement

FIRST_COLUMNS = ("task", "model1", "model2", "fold", "split")  # of the tidy table
FEW_BLOCKS = {1: "one block", 2: "two blocks"}
CHANCE_WITHIN = "chance within patients"


@dataclass(frozen=True)
class Row:
    """One measure of two layers. An undefined value is None; `flag` states why."""

    model1: str
    model2: str
    protocol: str
    measure: str
    layer1: str
    layer2: str
    value: float | None  # 0..1; debiased CKA can be negative
    low: float | None  # of the 95 % interval: over blocks of images or patients (full), over the repeats (paper)
    high: float | None
    chance: float | None  # the measure of mismatched pairs: an image in model1, one of another patient in model2
    n: int  # samples
    rank1: int
    rank2: int
    condition1: float
    condition2: float
    flag: str  # why the value is less reliable than it seems; see `flags`
    pool: str
    excess: float | None  # value above chance
    independent: float | None  # the value of independent Gaussian samples, where a formula exists
    covers: str = ""  # what `low` to `high` covers, see `covered`; empty if there is no interval
    corrected: float | None = None  # the value without the bias of few samples, if the measure has a correction
    corrected_low: float | None = None  # of its 95 % interval, which covers the value for all images
    corrected_high: float | None = None

    @classmethod
    def of(
        cls,
        models: tuple[str, str],
        layers: tuple[str, str],
        measure: str,
        protocol: str,
        pool: str,
        measured: Measurement,
        interval: tuple[float, float] | None,
        chance: float,
        blocks: int | None = None,
        other_patient: bool = True,
        without_bias: Corrected | None = None,
    ) -> "Row":
        """Makes a row of a measurement.

        Args:
            interval: of the value; it is cut to the values that the measure can take.
            chance: the measure of mismatched pairs.
            blocks: the number of blocks from which the interval was computed; None for other intervals.
            other_patient: whether all mismatched pairs are of two different patients.
            without_bias: the value without the bias of few samples, if the measure has a correction.
        """
        n, rank1, rank2 = int(measured.n), int(measured.rank1), int(measured.rank2)
        constant = min(rank1, rank2) == 0
        value = None if constant else float(measured.value)
        lowest = getattr(modules()[measure], "LOWEST", 0.0)
        low, high = (float(np.clip(end, lowest, 1)) for end in interval) if interval and not constant else (None, None)
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
            float(measured.condition1),
            float(measured.condition2),
            flags(measured, blocks, other_patient),
            pool,
            None if value is None else value - chance,
            level(measure, n, rank1, rank2),
            covered(measure, protocol) if low is not None else "",
            *(without_bias if without_bias and not constant else (None,) * 3),
        )


def covered(measure: str, protocol: str) -> str:
    """Returns what the interval of a measure covers: a key of `COVERS`.

    `benchmarks/similarity_intervals.py` measures how often it does.
    """
    if protocol == "paper":
        return "draws"
    return "all images" if getattr(modules()[measure], "UNBIASED", False) else "this n"


def coverage_notes(rows: Iterable[Row]) -> list[str]:
    """Returns a sentence for each kind of interval: which measures have it, and what it covers."""
    measures: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.covers:
            measures.setdefault(row.covers, {})[row.measure] = None
    return [f"95 % intervals of {', '.join(of)}: {COVERS[what]}." for what, of in measures.items()]


def flags(measured: Measurement, blocks: int | None = None, other_patient: bool = True) -> str:
    """Returns why a value, its interval or its chance level is unreliable; several reasons are joined by "; ".

    constant: no channel of one side varies, so there is no value. too few samples: any two representations would look
    similar. partly 1 by arithmetic: some canonical correlations are 1 because n <= rank1 + rank2. one block: there is
    no interval. two blocks: the interval is very wide. chance within patients: one patient has more than half of the
    images, so that some mismatched pairs are of one patient and `chance` is too high.
    """
    if min(int(measured.rank1), int(measured.rank2)) == 0:
        return "constant"
    found = []
    if not measured.enough:
        found.append("too few samples")
    elif measured.forced:
        found.append("partly 1 by arithmetic")
    if blocks in FEW_BLOCKS:
        found.append(FEW_BLOCKS[blocks])
    if not other_patient:
        found.append(CHANCE_WITHIN)
    return "; ".join(found)


def write_rows(
    path: Path,
    rows: Iterable[Row],
    task: str,
    fold: int,
    split: str,
    *,
    paths: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
) -> None:
    """Writes the tidy table: task, fold and split, the columns of `Row`, the folders of the networks, and `settings`.

    Args:
        paths: the folder of each network, by its name.
        settings: further columns with one value each.
    """
    paths, settings = paths or {}, dict(settings or {})
    named = [
        {"task": task, "fold": fold, "split": split}
        | asdict(row)
        | {"path1": paths.get(row.model1, ""), "path2": paths.get(row.model2, "")}
        | settings
        for row in rows
    ]
    columns = (*FIRST_COLUMNS, *(field.name for field in fields(Row) if field.name not in FIRST_COLUMNS))
    _write(path, (*columns, "path1", "path2", *settings), named)


def authors_path(out: Path, task: str) -> Path:
    """Returns the path of the authors' table, next to the tidy one."""
    return out.with_name(f"CCA_{task}.csv")


def require_place(out: Path, task: str) -> None:
    """Raises `UserError` if the tables and the figure cannot be written, before anything is computed."""
    authors = authors_path(out, task)
    if out.suffix != ".csv":
        raise UserError(f"--out {out}: the table is a CSV file; give it a name that ends in .csv")
    if out.name == authors.name:
        raise UserError(
            f"--out {out}: this name is reserved for the authors' table; choose another, e.g. similarity.csv"
        )
    for path in (out, out.with_suffix(".png"), authors):
        if path.is_dir():
            raise UserError(f"--out {out}: {path} is a folder; choose another name")
    for path, columns in ((out, FIRST_COLUMNS), (authors, paper.CCA_COLUMNS)):
        if path.exists() and _header(path)[: len(columns)] != list(columns):
            raise UserError(
                f"{path} is not a table of comparisons and would be overwritten: move it away or choose another --out"
            )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise UserError(f"--out {out}: nothing can be written to {out.parent} ({error.strerror})") from error


def write_authors(
    path: Path, rows: Iterable[Row], task: str, fold: int, split: str = "test", paths: Mapping[str, str] | None = None
) -> None:
    """Writes the mean CCA in the schema of the paper's `CCA_<task>.csv`. Other rows of an existing file are kept.

    Nothing is written if no two networks have all layers of the paper.
    """
    new = authors_rows(rows, task, fold, split, paths)
    if not new:
        return
    key = ("model1", "model2", "fold", "stimuli")
    replaced = {tuple(row[name] for name in key) for row in new}
    old = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            old = [row for row in csv.DictReader(file) if tuple(row[name] for name in key) not in replaced]
    _write(path, paper.CCA_COLUMNS, old + new)


def authors_rows(
    rows: Iterable[Row], task: str, fold: int, split: str = "test", paths: Mapping[str, str] | None = None
) -> list[dict[str, str | float | None]]:
    """Returns a row for each pair of networks with the mean CCA at all layers of the paper; flagged values are empty.

    A network from a folder is named by its path, and images of other splits by the split, so that rows are unambiguous.
    """
    paths = paths or {}
    tables: dict[tuple[str, str], dict[str, float | None]] = {}
    for row in rows:
        if row.measure == "cca" and row.layer1 == row.layer2:
            models = paths.get(row.model1) or row.model1, paths.get(row.model2) or row.model2
            tables.setdefault(models, {})[row.layer1] = row.value if row.flag in ("", CHANCE_WITHIN) else None
    stimuli = task if split == "test" else f"{task}-{split}"
    return [
        {"model1": one, "model2": other, "fold": f"fold{fold}", "stimuli": stimuli}
        | {layer: values[layer] for layer in paper.LAYERS}
        for (one, other), values in tables.items()
        if set(paper.LAYERS) <= set(values)
    ]


def _header(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return next(csv.reader(file), [])


def _write(path: Path, columns: Sequence[str], rows: Iterable[dict]) -> None:
    write_csv(path, columns, ([row.get(name, "") for name in columns] for row in rows))
