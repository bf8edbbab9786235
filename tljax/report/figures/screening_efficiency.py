"""The AUC of a linear probe against the number of training images."""

import numpy as np

from tljax.report.analysis.screening import Screening
from tljax.report.analysis.study import Task
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import styles_of
from tljax.report.elements import Drawing
from tljax.report.wording.names import init_name


def draw(gallery: Gallery, task: Task, found: Screening) -> Drawing | None:
    """Draws one curve per candidate; None if the screening did not use shares of the training images."""
    known = [each for each in found.efficiency if np.isfinite(each.images)]
    curves = {name: [each for each in known if each.network == name] for name in found.networks}
    curves = {name: points for name, points in curves.items() if len(points) > 1}
    if not curves:
        return None
    styles = styles_of(list(curves))
    figure, axes = new_figure(height=2.7 + 0.13 * len(curves))
    for name, points in curves.items():
        style = styles[name]
        points = sorted(points, key=lambda each: each.images)
        images = [each.images for each in points]
        low, high = [each.low for each in points], [each.high for each in points]
        axes.plot(images, [each.value for each in points], linestyle=style.dash, label=init_name(name), **style.mark)
        axes.fill_between(images, low, high, color=style.colour, alpha=0.1, linewidth=0)
    axes.set(xlabel="training images (logarithmic)", ylabel="AUC of the probe", xscale="log")
    counts = sorted({round(each.images) for points in curves.values() for each in points})
    axes.set_xticks(counts, [f"{count:,}" for count in counts])  # the default labels are formulas, which are not parsed
    axes.set_xticks([], minor=True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=7)
    caption = (
        f"Label efficiency on {task.name}: the AUC of a linear probe against the number of labelled training images. "
        "Band: 95 % interval."
    )
    return gallery.keep(figure, f"{task.name}-screening-efficiency", f"Label efficiency: {task.name}", caption)
