"""The AUC of a linear probe on each layer of every candidate."""

import numpy as np

from tljax.report.analysis.screening import Screening
from tljax.report.analysis.study import Task
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import styles_of
from tljax.report.elements import Drawing
from tljax.report.wording.names import init_name


def draw(gallery: Gallery, task: Task, found: Screening) -> Drawing | None:
    """Draws one curve per candidate over relative depth; None if no layers were probed."""
    profiles = {name: [each for each in found.layers if each.network == name] for name in found.networks}
    profiles = {name: layers for name, layers in profiles.items() if len(layers) > 1}
    if not profiles:
        return None
    styles = styles_of(list(profiles))
    figure, axes = new_figure(height=2.7 + 0.13 * len(profiles))
    for name, layers in profiles.items():
        style, depth = styles[name], np.linspace(0, 1, len(layers))
        values = [layer.value for layer in layers]
        low, high = [layer.low for layer in layers], [layer.high for layer in layers]
        axes.plot(depth, values, linestyle=style.dash, label=init_name(name), **style.mark)
        axes.fill_between(depth, low, high, color=style.colour, alpha=0.1, linewidth=0)
    axes.set(xlabel="relative depth (0: first layer, 1: last)", ylabel="AUC of the probe")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=7)
    caption = (
        f"Layer profile on {task.name}: the AUC of a linear probe on each layer of each candidate. Band: 95 % "
        "interval. A curve that falls at the end means that an earlier layer is more useful than the last one."
    )
    return gallery.keep(figure, f"{task.name}-screening-layers", f"Layer profile: {task.name}", caption)
