"""Reads the CSV files of an archive strictly: each mistake is an error that names the file and the line."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tljax.core.errors import UserError

DELIMITERS = ",;\t"
SPREADSHEETS = (b"PK\3\4", b"\xd0\xcf\x11\xe0")  # the first bytes of .xlsx, .ods and .xls
DELIMITER_LINE = re.compile(r'"?sep=(.)"?[ ]*\r?\n', re.IGNORECASE)


def read_table(
    path: Path, columns: Sequence[str], aliases: Mapping[str, str] | None = None
) -> list[tuple[int, dict[str, str]]]:
    """Returns the rows of a CSV file, each with the number of its last line. All values are text without outer spaces.

    Fields are separated by commas, semicolons or tabs, or by the character that a first line such as `sep=;` states.
    Empty rows are left out.

    Args:
        columns: the required columns; their case does not matter.
        aliases: other names of columns, in lower case, and the names under which they are returned.

    Raises:
        UserError: the file or one of `columns` is missing, a row has another number of fields, or the file is not
            text in UTF-8 or UTF-16.
    """
    known = {name.lower(): name for name in columns} | dict(aliases or {})
    text = _read(path)
    delimiter = _delimiter(text, columns)
    if named := DELIMITER_LINE.match(text):  # as Excel writes it
        text, delimiter = text[named.end() :], named[1]
    lines = io.StringIO(text, newline="")  # a quoted field may hold line breaks
    reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
    skipped = named[0].count("\n") if named else 0
    try:
        written = [name.strip() for name in reader.fieldnames or ()]
        header = [known.get(name.lower(), name) for name in written]
        reader.fieldnames = header
        rows = [(skipped + reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise UserError(f"{path}, line {skipped + reader.line_num}: not a CSV file ({error})") from error
    if not text.strip():
        raise UserError(f"{path} is empty; a header with {', '.join(columns)} is expected")
    if missing := [name for name in columns if name not in header]:
        raise UserError(f"{path} has no column {', '.join(missing)}; it has {', '.join(header) or 'nothing'}")
    if twice := [name for name, count in Counter(header).items() if count > 1 and name in known.values()]:
        same = [one for one, name in zip(written, header, strict=True) if name == twice[0]]
        raise UserError(f"{path} has {len(same)} columns of the {twice[0]} ({', '.join(same)}); keep one")
    rows = [(line, row) for line, row in rows if not _is_empty(row)]
    for line, row in rows:
        if None in row or None in row.values():
            raise UserError(f"{path}, line {line} does not have as many fields as the header ({len(header)})")
    return [(line, {name: value.strip() for name, value in row.items()}) for line, row in rows]


def _read(path: Path) -> str:
    """Returns the text of a file in UTF-8, or in UTF-16 with a byte order mark (the "Unicode text" of spreadsheets)."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path} is missing; the archive is incomplete") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    if content.startswith(SPREADSHEETS):
        raise UserError(f"{path} is a spreadsheet file despite its name; save the table as CSV in UTF-8")
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None
    if "\0" in text:
        raise UserError(f"{path} is not text in UTF-8 (it holds zero bytes, as UTF-16 does); save it as UTF-8")
    return text


def _is_empty(row: dict[str | None, str | list[str] | None]) -> bool:
    """Returns whether a row has no values; spreadsheets may write rows of delimiters only."""
    fields = [*(row.get(None) or []), *(value for name, value in row.items() if name is not None)]
    return not any(field and field.strip() for field in fields)


def _delimiter(text: str, columns: Sequence[str]) -> str:
    """Returns the delimiter that separates the wanted columns; a comma if none does."""
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]
    for delimiter in DELIMITERS:
        if {name.lower() for name in columns} <= {name.strip(' "\r').lower() for name in header.split(delimiter)}:
            return delimiter
    return DELIMITERS[0]
