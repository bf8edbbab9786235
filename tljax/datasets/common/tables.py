"""CSV files that come with an archive, read strictly: a missing file or column is named."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from tljax.errors import UserError

DELIMITERS = ",;\t"


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file, each with the number of its (last) line; all values are text, stripped.

    Commas, semicolons or tabs part the fields. Raises `UserError` where the file or one of `columns` is missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path} is missing; the archive is not whole") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None
    lines = io.StringIO(text, newline="")  # a quoted field may hold line breaks
    reader = csv.DictReader(lines, delimiter=_delimiter(text, columns), strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not a CSV file ({error})") from error
    if missing := [name for name in columns if name not in header]:
        raise UserError(f"{path} has no column {', '.join(missing)}; it has {', '.join(header) or 'nothing'}")
    for line, row in rows:
        if None in row or None in row.values():
            raise UserError(f"{path}, line {line}: it has not as many fields as the header ({len(header)})")
    return [(line, {name: value.strip() for name, value in row.items()}) for line, row in rows]


def _delimiter(text: str, columns: Sequence[str]) -> str:
    """The one that parts the wanted columns; a comma where none does."""
    header = text.split("\n", 1)[0]
    for delimiter in DELIMITERS:
        if set(columns) <= {name.strip(' "\r') for name in header.split(delimiter)}:
            return delimiter
    return DELIMITERS[0]
