"""CSV files that come with an archive, read strictly: a missing file or column is named."""

import csv
from collections.abc import Sequence
from pathlib import Path

from tljax.errors import UserError


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file as text, stripped. Raises `UserError` where the file or one of `columns` is missing."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; the archive is not whole") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None
    reader = csv.DictReader(text.splitlines(), strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        rows = list(reader)
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not a CSV file ({error})") from error
    if missing := [name for name in columns if name not in header]:
        raise UserError(f"{path} has no column {', '.join(missing)}; it has {', '.join(header) or 'nothing'}")
    for line, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise UserError(f"{path}, line {line}: it has not as many fields as the header ({len(header)})")
    return [{name: value.strip() for name, value in row.items()} for row in rows]
