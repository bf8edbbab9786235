"""One look for every figure, and the three forms in which each is kept: SVG in the page, PDF and PNG beside it.

Colours are Okabe and Ito's and Tol's, which the colour-blind tell apart; marker, fill and dash repeat what colour says,
so that a grey print can be read. Text in a figure is text, never parsed as mathematics: names come from the user.
"""

import base64
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from tljax.report.names import file_stem

COLUMN = 3.45  # inches: one column of a journal, and about a phone's width
INK, FAINT = "#1f2328", "#8c939b"

_STYLE = {
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
    "text.hinting": "no_hinting",  # else text is wider in one format than in another, and labels are cut
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "tljax",
}


@dataclass(frozen=True)
class Look:
    """How one initialisation, pair or task is drawn, everywhere."""

    colour: str
    marker: str
    dash: Any
    """A matplotlib line style."""
    filled: bool = True
    """Whether the marker is."""

    @property
    def mark(self) -> dict[str, Any]:
        """Of a point, for `Axes.plot`."""
        face = self.colour if self.filled else "white"
        return {"marker": self.marker, "color": self.colour, "markerfacecolor": face}


_KNOWN = {
    "imagenet": Look("#0072B2", "o", "-"),
    "radimagenet": Look("#D55E00", "s", (0, (5, 1.5))),
    "random": Look("#6b7075", "^", (0, (1.5, 1.2))),
}
# Others take colour, marker, dash and fill in turn. The lengths have no common factor, so that colour and marker, which
# tell apart by themselves, meet again only after 63 names. Neighbours are light and dark, for a grey print.
_COLOURS = ("#009E73", "#882255", "#56B4E9", "#E69F00", "#332288", "#CC79A7", "#111111")
_MARKERS = ("v", "P", "<", "X", ">", "p", "*", "h", "D")
_DASHES = ((0, (6, 1.5, 1.5, 1.5)), (0, (3, 1)), (0, (6, 1.5, 1.5, 1.5, 1.5, 1.5)), (0, (2, 2)), (0, (9, 2)))


def looks(names: list[str]) -> dict[str, Look]:
    """A look for each name: fixed for the known initialisations, in turn for others."""
    others = [name for name in dict.fromkeys(names) if name not in _KNOWN]
    return {name: _KNOWN.get(name) or _other(others.index(name)) for name in names}


def _other(number: int) -> Look:
    colour, marker, dash = (kinds[number % len(kinds)] for kinds in (_COLOURS, _MARKERS, _DASHES))
    return Look(colour, marker, dash, filled=number % 2 == 0)


@dataclass(frozen=True)
class Figure:
    """A figure as the page shows it; its PDF and PNG lie in `figures/<name>.*`."""

    name: str
    title: str
    caption: str
    markup: str
    """`<svg>` or `<img>`, with its description for those who cannot see it."""
    wide: bool = False
    """Too wide for a column of the page, and on a phone scrolled rather than shrunk."""


class Gallery:
    """Draws figures and keeps them in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._names: set[str] = set()

    @contextmanager
    def style(self) -> Iterator[None]:
        """Within it, every figure has the house's look."""
        import matplotlib

        with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # the page's own font may well have it
            yield

    def keep(self, figure: Any, name: str, title: str, caption: str) -> Figure:
        """Saves a matplotlib figure as PDF and PNG and returns it for the page, as SVG.

        `caption` says what is drawn and is also what a screen reader says.
        """
        name = file_stem(name, self._names)
        figure.draw_without_rendering()  # lay out once, not once a format
        figure.set_layout_engine(None)
        edges = figure.get_tightbbox().padded(0.03)
        figure.savefig(self.folder / f"{name}.pdf", bbox_inches=edges, metadata={"CreationDate": None})
        figure.savefig(self.folder / f"{name}.png", bbox_inches=edges, dpi=200, pil_kwargs={"compress_level": 3})
        return Figure(name, title, caption, _svg(figure, edges, name, caption), wide=bool(edges.width > 1.1 * COLUMN))

    def keep_pixels(
        self, pixels: UInt8[np.ndarray, "h w 3"], name: str, title: str, caption: str, least: int = 0
    ) -> Figure:
        """The same for a picture made of pixels, which the page shows as JPEG, never smaller than `least` pixels."""
        from PIL import Image

        name = file_stem(name, self._names)
        picture = Image.fromarray(pixels)
        picture.save(self.folder / f"{name}.pdf", resolution=150)
        picture.save(self.folder / f"{name}.png")
        jpeg = io.BytesIO()
        picture.save(jpeg, "jpeg", quality=72)
        encoded = base64.b64encode(jpeg.getvalue()).decode()
        markup = (
            f'<img src="data:image/jpeg;base64,{encoded}" alt="{escape(caption, quote=True)}" '
            f'style="--least:{least}px">'
        )
        return Figure(name, title, caption, markup, wide=True)


def new(width: float = COLUMN, height: float = 2.6, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Any, Any]:
    """A matplotlib figure and its axes (an array where there are several); sizes in inches."""
    from matplotlib.figure import Figure as MatplotlibFigure

    figure = MatplotlibFigure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def _svg(figure: Any, edges: Any, name: str, caption: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches=edges, transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)  # ids are unique in a page, not only in a figure
    text = re.sub(r'((?:xlink:)?href="|url\()#', rf"\g<1>#{name}-", text)
    text = re.sub(
        r'"[^"]*"', lambda value: re.sub(r"(\.\d\d)\d+", r"\1", value[0]), text
    )  # a hundredth of a point will do
    text = re.sub(r"\s*\n\s*", " ", text)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups()
    opening = (
        f'<svg role="img" aria-labelledby="{name}-label" viewBox="0 0 {width} {height}" '
        f'style="--width:{float(width) / 72:.2f}" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{name}-label">{escape(caption)}</title>'
    )
    return opening + text[text.index(">") + 1 :]
