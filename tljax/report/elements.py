"""What a section of the report is made of: tables, drawings and text. A table is written as HTML, CSV and LaTeX.

Names of tasks, classes and files come from the user. They are escaped, so that each remains one cell and none is run
as a command. LaTeX is not written by pandas, which escapes neither `<`, `>`, `|` and quotes nor the minus and ± of our
numbers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tljax.core.files import write_csv, write_text

MANY_ROWS = 20  # a longer table is folded
MOST_ROWS = 1000  # the page shows only so many rows of a longer table; its CSV file has all

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "−": "$-$", "±": r"$\pm$", "–": "--", "Δ": r"$\Delta$",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table whose cells are text as a reader sees it."""

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: frozenset[int] = frozenset()
    """Rows whose name and first number are set in bold."""
    words: int = 1
    """How many of the first columns contain words; the others contain numbers."""
    muted: frozenset[int] = frozenset()
    """Rows whose last cell is set in grey."""
    heading: str = ""
    kind: Literal["table"] = field(default="table", init=False)

    @property
    def folded(self) -> bool:
        """Whether the page shows only the caption until a reader opens the table."""
        return len(self.rows) > MANY_ROWS

    @property
    def shown(self) -> Sequence[Sequence[str]]:
        """The rows that the page shows."""
        return self.rows[:MOST_ROWS]

    def write(self, folder: Path, stem: str) -> None:
        """Writes `<stem>.csv` and `<stem>.tex`."""
        columns, *rows = ([_for_spreadsheet(cell) for cell in row] for row in (self.columns, *self.rows))
        write_csv(folder / f"{stem}.csv", columns, rows)
        write_text(folder / f"{stem}.tex", self.latex())

    def latex(self) -> str:
        """Returns a `table` environment, which needs the package booktabs."""
        alignment = "l" * self.words + "r" * (len(self.columns) - self.words)
        lines = [" & ".join(map(latex, self.columns)) + r" \\ \midrule"]
        for number, row in enumerate(self.rows):
            bold = self.words + 1 if number in self.best else 0
            cells = [rf"\textbf{{{latex(cell)}}}" if i < bold else latex(cell) for i, cell in enumerate(row)]
            lines.append(" & ".join(cells) + r" \\")
        return "\n".join(
            [
                r"\begin{table}", r"\centering", rf"\caption{{{latex(self.caption)}}}",
                rf"\begin{{tabular}}{{{alignment}}} \toprule", *lines, r"\bottomrule", r"\end{tabular}", r"\end{table}",
                "",
            ]
        )  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """A figure as the page shows it; its PDF and PNG are `figures/<name>.*`."""

    name: str
    title: str
    caption: str
    markup: str
    """`<svg>` or `<img>`, with a description for readers who cannot see it."""
    wide: bool = False
    """Wider than a column of the page; on a phone it is scrolled, not shrunk."""
    kind: Literal["drawing"] = field(default="drawing", init=False)


@dataclass(frozen=True)
class Text:
    """A paragraph, a quotation or a block of commands, under a heading of its own."""

    heading: str
    text: str
    kind: Literal["paragraph", "quotation", "commands"] = "paragraph"
    lines: Sequence[str] = ()
    """Of a block of commands."""

    @property
    def folded(self) -> bool:
        """Whether the page shows the commands only when they are opened."""
        return len(self.lines) > 3


@dataclass(frozen=True)
class Definitions:
    """Terms, each with its meaning or a line of code."""

    heading: str
    entries: Sequence[tuple[str, str]]
    code: bool = False
    kind: Literal["definitions"] = field(default="definitions", init=False)


Element = Table | Drawing | Text | Definitions


@dataclass(frozen=True)
class Section:
    """A part of the page.

    A section without elements is not shown. `absent` then states why, in the list of what is missing.
    """

    anchor: str
    title: str
    elements: Sequence[Element]
    text: str = ""
    absent: str = ""

    @property
    def tables(self) -> list[Table]:
        """The tables among its elements."""
        return [element for element in self.elements if isinstance(element, Table)]

    @property
    def drawings(self) -> list[Drawing]:
        """The drawings among its elements."""
        return [element for element in self.elements if isinstance(element, Drawing)]

    @property
    def others(self) -> list[Table | Text | Definitions]:
        """All elements except the drawings, which the page shows first, side by side."""
        return [element for element in self.elements if not isinstance(element, Drawing)]


def section(anchor: str, title: str, elements: Sequence[Element | None], text: str = "", absent: str = "") -> Section:
    """Returns a section without the elements that are None and without empty tables."""
    kept = [each for each in elements if each is not None and not (isinstance(each, Table) and not each.rows)]
    return Section(anchor, title, tuple(kept), text, absent)


def latex(text: str) -> str:
    """Returns text escaped for LaTeX: it contains no commands and stays on one line."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _for_spreadsheet(cell: str) -> str:
    """Quotes a name that a spreadsheet would run as a formula. Numbers are not changed."""
    risky = cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not re.fullmatch(r"[+-]?[\d.]+( .*)?", cell)
    return f"'{cell}" if risky else cell
