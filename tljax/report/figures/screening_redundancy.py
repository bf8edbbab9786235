"""The similarity of the candidates' features, which shows which candidates are redundant."""

import numpy as np

from tljax.report.analysis.screening import Screening
from tljax.report.analysis.study import Task
from tljax.report.drawing.axes import draw_map
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
    labels = [init_name(name) for name in names]
    draw_map(figure, axes, table, labels, labels, "debiased CKA")
    caption = (
        f"Redundancy on {task.name}: similarity (debiased CKA) of the features of every two candidates. Candidates "
        "near 1 have nearly the same features, and one of them is enough."
    )
    return gallery.keep(figure, f"{task.name}-screening-redundancy", f"Redundancy: {task.name}", caption)
