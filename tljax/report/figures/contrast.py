"""The same initialisations trained in two ways."""

from tljax.report.analysis.conditions import Axis
from tljax.report.analysis.study import Task
from tljax.report.drawing.axes import name_rows
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import styles_of
from tljax.report.elements import Drawing
from tljax.report.wording.contrasts import WAYS
from tljax.report.wording.names import condition_name, init_name, sentence


def draw(gallery: Gallery, task: Task, axis: Axis) -> Drawing | None:
    """Draws the mean test AUC with both values of the axis, by initialisation; None if only one was trained."""
    contrasts, ways = task.contrasts[axis], WAYS[axis]
    if not contrasts:
        return None
    styles = styles_of([each.first.init for each in contrasts])
    figure, axes = new_figure(4.6, 0.8 + 0.42 * len(contrasts))
    for row, each in enumerate(contrasts):
        style = styles[each.first.init]
        places = row - 0.13, row + 0.13  # next to each other, so that neither hides the other
        axes.plot(each.means, places, color=style.colour, linewidth=1.2)
        for mean, place, face in zip(each.means, places, (style.colour, "white"), strict=True):
            axes.plot(mean, place, style.marker, color=style.colour, markersize=7, markerfacecolor=face)
    conditions = [condition_name(each.first.condition, axis.setting) for each in contrasts]
    several = len(set(conditions)) > 1
    names = [
        f"{init_name(each.first.init)}, {condition}" if several and condition else init_name(each.first.init)
        for each, condition in zip(contrasts, conditions, strict=True)
    ]
    name_rows(axes, names)
    axes.set_xlabel("mean test AUC")
    title = f"{sentence(ways.names[0])} against {ways.names[1]}: {task.name}"
    caption = (
        f"{title}. Means over the folds that both have. Filled: {ways.meanings[0]}. Open: {ways.meanings[1]}. "
        f"Initialisations: {'; '.join(names)}."
    )
    return gallery.keep(figure, f"{task.name}-{axis.setting}", title, caption)
