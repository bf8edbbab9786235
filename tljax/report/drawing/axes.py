"""Parts that several figures share: named rows, the line of guessing, and maps of every pair."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from tljax.report.drawing.style import CHANCE


def name_rows(axes: Any, names: Sequence[str], **text: Any) -> None:
    """Names the rows of a figure that has one row per name, the first at the top."""
    axes.set_yticks(range(len(names)), names, **text)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def mark_guessing(axes: Any) -> str:
    """Draws a vertical line at an AUC of 0.5 and keeps the limits; returns its sentence for the caption if it shows."""
    low, high = axes.get_xlim()
    axes.axvline(0.5, **CHANCE)
    axes.set_xlim(low, high)
    return " Dotted line: an AUC of 0.5, as from guessing." if low <= 0.5 <= high else ""


def draw_map(
    figure: Any, axes: Any, values: Float[np.ndarray, "r c"], rows: Sequence[str], columns: Sequence[str], label: str
) -> None:
    """Draws values in 0..1 as colours, the first row at the top; NaN is left blank."""
    axes.grid(visible=False)
    mesh = axes.pcolormesh(np.ma.masked_invalid(values), cmap="cividis", vmin=0, vmax=1)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    figure.colorbar(mesh, ax=axes, shrink=0.8, label=label).outline.set_visible(False)
