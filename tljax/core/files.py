"""Writes files so that they are never half-written, and reads CSV files."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary file in the same folder to write to, and renames it to `path` at the end. Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Writes a CSV file in UTF-8: a header, then one line per row."""
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """Yields the rows of a CSV file in UTF-8, by column."""
    with path.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def csv_header(path: Path) -> list[str]:
    """Returns the column names of a CSV file; empty for an empty file. Bytes that are not UTF-8 are replaced."""
    with path.open(newline="", encoding="utf-8", errors="replace") as lines:
        return next(csv.reader(lines), [])


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], *, compressed: bool = False) -> None:
    """Writes arrays by name to an `.npz` file."""
    by_name: dict[str, Any] = dict(arrays)
    with replacing(path) as partial, open(partial, "wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **by_name)
