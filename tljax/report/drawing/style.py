"""The style of every figure, and how each initialisation, pair or task is drawn.

The colours are Okabe and Ito's and Tol's, which colour-blind readers can distinguish. Marker, fill and dash repeat the
distinction, so that a print in grey is readable. Text in a figure is never parsed as mathematics: names come from the
user.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

COLUMN = 3.45  # inches: one column of a journal, and about the width of a phone
INK, FAINT = "#1f2328", "#8c939b"
CHANCE: dict[str, Any] = {"color": FAINT, "linewidth": 0.9, "dashes": (1, 1.5), "zorder": 0}
"""Of the line at the AUC of a random guess, for `axhline` and `axvline`."""

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e7e9ec",
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "text.color": INK,
    "text.hinting": "no_hinting",  # otherwise text is wider in one format than in another, and labels are cut
    "text.parse_math": False,
    "svg.fonttype": "none",
}
"""Matplotlib's settings."""


@dataclass(frozen=True)
class Style:
    """How one initialisation, pair or task is drawn in every figure."""

    colour: str
    marker: str
    dash: Any
    """A matplotlib line style."""
    filled: bool = True
    """Whether the marker is filled."""

    @property
    def mark(self) -> dict[str, Any]:
        """The arguments that draw a point with `Axes.plot`."""
        face = self.colour if self.filled else "white"
        return {"marker": self.marker, "color": self.colour, "markerfacecolor": face}


_KNOWN = {
    "imagenet": Style("#0072B2", "o", "-"),
    "radimagenet": Style("#D55E00", "s", (0, (5, 1.5))),
    "random": Style("#6b7075", "^", (0, (1.5, 1.2))),
}
# Other names take colour, marker, dash and fill in turn. The numbers of colours and markers have no common factor, so
# that a combination repeats only after 63 names. Neighbours are light and dark, for a print in grey.
_COLOURS = ("#009E73", "#882255", "#56B4E9", "#E69F00", "#332288", "#CC79A7", "#111111")
_MARKERS = ("v", "P", "<", "X", ">", "p", "*", "h", "D")
_DASHES = ((0, (6, 1.5, 1.5, 1.5)), (0, (3, 1)), (0, (6, 1.5, 1.5, 1.5, 1.5, 1.5)), (0, (2, 2)), (0, (9, 2)))


def styles_of(names: Sequence[str]) -> dict[str, Style]:
    """Returns the style of each name: fixed for the paper's initialisations, in turn for others."""
    others = [name for name in dict.fromkeys(names) if name not in _KNOWN]
    styles = {name: _other(number) for number, name in enumerate(others)}
    return {name: _KNOWN.get(name) or styles[name] for name in names}


def _other(number: int) -> Style:
    colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
    return Style(colour, marker, _DASHES[number % len(_DASHES)], filled=number % 2 == 0)
