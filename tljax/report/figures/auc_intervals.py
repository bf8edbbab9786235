"""The mean AUC of each initialisation with its interval, on one task."""

import numpy as np

from tljax.report.analysis.study import Task
from tljax.report.drawing.axes import mark_guessing, name_rows
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import INK, styles_of
from tljax.report.elements import Drawing
from tljax.report.published import results as published
from tljax.report.wording.names import condition_name, init_name, task_size


def draw(gallery: Gallery, task: Task) -> Drawing:
    """Draws one line per initialisation under the verdict's condition, with folds as dots and published means."""
    arms = task.under(task.condition)
    styles = styles_of([arm.init for arm in arms])
    figure, axes = new_figure(3.7, 0.5 + 0.4 * len(arms))
    compared = False
    for row, arm in enumerate(arms):
        style, values = styles[arm.init], list(arm.aucs.values())
        axes.plot(values, [row - 0.22] * len(values), ".", color=style.colour, alpha=0.55, markersize=4, clip_on=False)
        if np.isfinite(arm.mean.low):
            ends = [arm.mean.low, arm.mean.high]
            axes.plot(ends, [row, row], "-", color=style.colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(arm.mean.value, row, markersize=7.5, zorder=4, **style.mark)
        if paper := published.auc_of(task.name, arm):
            compared = True
            small = {"markersize": 5, "markeredgewidth": 0.9, "color": "white", "markeredgecolor": INK}
            axes.plot(np.mean(list(arm.aucs_held_out.values())), row + 0.26, "o", **small)
            axes.plot(paper.mean, row + 0.26, "d", **small)
    name_rows(axes, [init_name(arm.init) for arm in arms], fontsize=8.5)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("test AUC")
    guessing = mark_guessing(axes)
    caption = (
        f"Test AUC on {task.name} ({condition_name(task.condition)}; {task_size(task)}). Large marker: mean over "
        "folds. Dots: folds."
    )
    if any(np.isfinite(arm.mean.low) for arm in arms):
        caption += " Bar: 95 % interval of the mean (corrected resampled t-test)."
    caption += guessing
    if compared:
        caption += (
            " Hollow diamond: the published mean, which is over validation and test images together. Hollow circle: "
            "ours over the same images."
        )
    return gallery.keep(figure, f"{task.name}-auc-intervals", f"Test AUC: {task.name}", caption)
