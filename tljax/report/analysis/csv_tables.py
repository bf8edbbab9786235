"""Reads the CSV tables of a study."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from tljax.report.analysis.notes import Note, Unreadable

Row = Mapping[str, str]


def read_table(path: Path, notes: list[Note]) -> Iterator[Row]:
    """Yields the complete rows of a CSV file. Adds a note if the file cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            yield from (row for row in csv.DictReader(lines) if None not in row and None not in row.values())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        notes.append(Unreadable(f"{path} cannot be read as a CSV table ({error})."))


def cell(row: Row, key: str) -> float:
    """Returns a cell as a number; NaN if it is not a number."""
    try:
        return float(row.get(key) or "nan")
    except ValueError:
        return float("nan")
