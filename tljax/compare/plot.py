"""Draws a comparison: similarity over the layers, as in the paper, or every layer against every other layer."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tljax.compare.row import Row, coverage_notes
from tljax.core.files import replacing
from tljax.core.measures import measure_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Writes a figure of these rows: heat maps if all layers were compared with each other, otherwise curves.

    The suffix of the path gives the format.
    """
    compared = [(row.measure, row.model1, row.model2, row.layer1) for row in rows]
    crossed = len(set(compared)) < len(compared)
    figure = heat_maps(rows) if crossed else over_layers(rows)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=150, bbox_inches="tight", format=path.suffix.removeprefix("."))


def over_layers(rows: Sequence[Row]) -> "Figure":
    """Draws a panel per measure with a curve per pair of networks. Dashed: chance level. Hollow points: flagged."""
    chosen = _groups(rows, "measure")
    figure, panels = _panels(len(chosen))
    for panel, ((measure,), of_measure) in zip(panels, chosen.items(), strict=False):
        for (models,), line in _groups(of_measure, "models").items():
            known = [row for row in line if row.value is not None]
            layers = [row.layers for row in known]
            reach = [[_reach(row, row.low) for row in known], [_reach(row, row.high) for row in known]]
            points = panel.errorbar(layers, [row.value for row in known], reach, marker="o", capsize=3)
            points.set_label(models)
            panel.plot(layers, [row.chance for row in known], "--", color=points[0].get_color(), alpha=0.6)
            flagged = [(row.layers, row.value) for row in known if row.flag]
            if flagged:
                panel.plot(
                    *zip(*flagged, strict=True), "o", color=points[0].get_color(), markerfacecolor="white", zorder=3
                )
        panel.set(title=measure_title(measure), ylim=(min(0, panel.get_ylim()[0]), 1.02), ylabel="similarity")
        panel.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        title="\n".join([*coverage_notes(rows), "Dashed: mismatched pairs. Hollow: flagged in the table."]),
        loc="outside lower center",
    )
    return figure


def _reach(row: Row, end: float | None) -> float:
    """Returns the length of an error bar in one direction; 0 if there is no interval."""
    return 0.0 if end is None or row.value is None else abs(end - row.value)


def heat_maps(rows: Sequence[Row]) -> "Figure":
    """Draws a panel per measure and pair of networks: layers of the first in rows, of the second in columns."""
    chosen = _groups(rows, "measure", "model1", "model2")
    figure, panels = _panels(len(chosen))
    for panel, ((measure, one, other), cells) in zip(panels, chosen.items(), strict=False):
        down, across = (list(_groups(cells, field)) for field in ("layer1", "layer2"))
        known = {(row.layer1, row.layer2): float("nan") if row.value is None else row.value for row in cells}
        grid = [[known[a, b] for (b,) in across] for (a,) in down]
        image = panel.imshow(grid, vmin=0, vmax=1)
        flagged = {(row.layer1, row.layer2) for row in cells if row.flag}
        for y, (a,) in enumerate(down):
            for x, (b,) in enumerate(across):
                if (a, b) in flagged:
                    panel.plot(x, y, "o", color="white", markerfacecolor="none", markersize=4)
        panel.set_xticks(range(len(across)), [layer for (layer,) in across], rotation=90)
        panel.set_yticks(range(len(down)), [layer for (layer,) in down])
        panel.set(title=measure_title(measure), ylabel=one, xlabel=other)
        figure.colorbar(image, ax=panel, shrink=0.8)
    return figure


def _panels(count: int) -> tuple["Figure", list]:
    """Returns a figure and its panels: at least `count`, at most four per row; panels beyond `count` are hidden."""
    from matplotlib.figure import Figure

    across = min(count, 4)
    down = -(-count // across)
    figure = Figure(figsize=(4.5 * across, 4 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for panel in panels[count:]:
        panel.set_visible(False)
    return figure, panels


def _groups(rows: Sequence[Row], *fields: str) -> dict[tuple[str, ...], list[Row]]:
    """Groups the rows by the values of these fields, in order."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, field) for field in fields), []).append(row)
    return groups
