"""Writes the results of a comparison: the tidy table and the authors' table."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from tljax.compare.row import CHANCE_WITHIN, Row
from tljax.core import paper
from tljax.core.errors import UserError
from tljax.core.files import csv_header, read_csv, write_csv

FIRST_COLUMNS = ("task", "model1", "model2", "fold", "split")  # of the tidy table


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
        if path.exists() and csv_header(path)[: len(columns)] != list(columns):
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
    old = [row for row in read_csv(path) if tuple(row[name] for name in key) not in replaced] if path.is_file() else []
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


def _write(path: Path, columns: Sequence[str], rows: Iterable[dict]) -> None:
    write_csv(path, columns, ([row.get(name, "") for name in columns] for row in rows))
