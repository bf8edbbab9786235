"""The similarity of the candidates' features, which shows which candidates are redundant."""

import numpy as np

from tljax.report.analysis.screening import Screening
from tljax.report.analysis.study import Task
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.elements import Drawing
from tljax.report.wording.names import init_name


def draw(gallery: Gallery, task: Task, found: Screening) -> Drawing | None:
    """Draws a map of every candidate with every other; None if they were not compared."""
    names = [name for name in found.networks if any(name in pair for pair in found.redundancy)]
    if len(names) < 2:
        return None
    place = {name: number for number, name in enumerate(names)}
    table = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(table, 1.0)
    for (first, second), value in found.redundancy.items():
        if first in place and second in place:
            table[place[first], place[second]] = table[place[second], place[first]] = value
    figure, axes = new_figure(height=3.0)
    axes.grid(visible=False)
    mesh = axes.pcolormesh(np.ma.masked_invalid(table), cmap="cividis", vmin=0, vmax=1)
    labels = [init_name(name) for name in names]
    axes.set_xticks(np.arange(len(names)) + 0.5, labels, rotation=90)
    axes.set_yticks(np.arange(len(names)) + 0.5, labels)
    axes.set_aspect("equal")
    figure.colorbar(mesh, ax=axes, shrink=0.8, label="debiased CKA").outline.set_visible(False)
    caption = (
        f"Redundancy on {task.name}: similarity (debiased CKA) of the features of every two candidates. Candidates "
        "near 1 have nearly the same features, and one of them is enough."
    )
    return gallery.keep(figure, f"{task.name}-screening-redundancy", f"Redundancy: {task.name}", caption)
