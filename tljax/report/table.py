"""A table in three forms: rows for the page, CSV and LaTeX (booktabs).

Names of tasks, classes and files are the user's: whatever they hold, they stay one cell and start no command.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tljax.core.files import write_csv, write_text

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "−": "$-$", "±": r"$\pm$", "–": "--", "Δ": r"$\Delta$",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Cells are text as a reader sees it."""

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: frozenset[int] = frozenset()
    """Rows whose name and first figure are set in bold."""
    words: int = 1
    """How many of the first columns hold words, not figures."""

    def write(self, folder: Path, stem: str) -> None:
        """Writes `<stem>.csv` and `<stem>.tex`."""
        columns, *rows = ([_for_spreadsheet(cell) for cell in row] for row in (self.columns, *self.rows))
        write_csv(folder / f"{stem}.csv", columns, rows)
        write_text(folder / f"{stem}.tex", self.latex())

    def latex(self) -> str:
        """A `table` environment; needs booktabs."""
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


def latex(text: str) -> str:
    """Text as LaTeX prints it: no character of it is a command, and it stays on one line."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _for_spreadsheet(cell: str) -> str:
    """A spreadsheet runs what begins like a formula; a name that does is quoted. Figures stay figures."""
    risky = cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not re.fullmatch(r"[+-]?[\d.]+( .*)?", cell)
    return f"'{cell}" if risky else cell
