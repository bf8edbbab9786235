"""Every layer of one network against every layer of another."""

from tljax.core.measures import measure_title
from tljax.report.analysis.study import Task
from tljax.report.drawing.axes import draw_map
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.elements import Drawing
from tljax.report.wording.names import compared_condition, network_name, pair_name, sentence


def draw(gallery: Gallery, task: Task) -> list[Drawing]:
    """Draws one map per pair and condition, by the first protocol and measure, if all layers were compared."""
    drawn = []
    for found in task.representations:
        if (found.protocol, found.measure) != (task.representations[0].protocol, task.representations[0].measure):
            continue
        for pair in found.values:
            grid = found.grid(pair)
            if grid is None:  # layers of the same name only: a curve shows them
                continue
            rows, columns, table = grid
            figure, axes = new_figure(height=3.0)
            draw_map(figure, axes, table, rows, columns, measure_title(found.measure))
            if max(len(rows), len(columns)) > 8:
                axes.tick_params(labelsize=5.5)
            axes.set(xlabel=network_name(pair.second), ylabel=network_name(pair.first))
            condition = compared_condition(found)
            told = f", {condition}" if condition else ""
            caption = (
                f"{sentence(measure_title(found.measure))} of each layer of {network_name(pair.first)} with each layer "
                f"of {network_name(pair.second)} on {found.task}{told}. Mean over folds."
            )
            name = "-".join(filter(None, (found.task, condition, "layers", pair_name(pair))))
            drawn.append(gallery.keep(figure, name, f"{found.task}: {pair_name(pair)}{told}", caption))
    return drawn
