"""Saves every figure in three formats: SVG in the page, and PDF and PNG next to it."""

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from tljax.report.drawing.style import COLUMN, RC
from tljax.report.drawing.svg import for_page
from tljax.report.elements import Drawing
from tljax.report.wording.names import file_stem


class Gallery:
    """Saves figures in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._names: set[str] = set()

    @contextmanager
    def style(self) -> Iterator[None]:
        """Applies the style of the report to every figure drawn within."""
        import matplotlib

        with matplotlib.rc_context(RC), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # the reader's font may well have it
            yield

    def keep(self, figure: Any, name: str, title: str, caption: str) -> Drawing:
        """Saves a matplotlib figure as PDF and PNG and returns it for the page.

        Args:
            figure: as `new_figure` made it.
            name: of the files; it is made unique.
            title: the heading of the figure.
            caption: what is drawn; also read aloud by screen readers.
        """
        import matplotlib

        name = file_stem(name, self._names)
        figure.draw_without_rendering()  # compute the layout once, not for each format
        figure.set_layout_engine(None)
        edges = figure.get_tightbbox().padded(0.03)
        figure.savefig(self.folder / f"{name}.pdf", bbox_inches=edges, metadata={"CreationDate": None})
        figure.savefig(self.folder / f"{name}.png", bbox_inches=edges, dpi=200, pil_kwargs={"compress_level": 3})
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with matplotlib.rc_context({"svg.hashsalt": name}):
            figure.savefig(buffer, format="svg", bbox_inches=edges, transparent=True, metadata=nothing)
        markup = for_page(buffer.getvalue(), name, caption)
        return Drawing(name, title, caption, markup, wide=bool(edges.width > 1.1 * COLUMN))

    def keep_pixels(
        self, pixels: UInt8[np.ndarray, "h w 3"], name: str, title: str, caption: str, least: int = 0
    ) -> Drawing:
        """Saves a picture made of pixels and returns it for the page, as JPEG never narrower than `least` pixels."""
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
        return Drawing(name, title, caption, markup, wide=True)


def new_figure(
    width: float = COLUMN, height: float = 2.6, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Any, Any]:
    """Returns a matplotlib figure and its axes (an array if there are several); sizes in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)
