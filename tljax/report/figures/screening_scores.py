"""The AUC of the linear probe of every candidate, next to its AUC after fine-tuning."""

import numpy as np

from tljax.report.analysis.screening import Screening
from tljax.report.analysis.study import Task
from tljax.report.drawing.axes import mark_guessing, name_rows
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import INK, styles_of
from tljax.report.elements import Drawing
from tljax.report.wording.names import init_name

PROBE = "linear_probe"


def draw(gallery: Gallery, task: Task, found: Screening) -> Drawing | None:
    """Draws one line per candidate, those of the shortlist first; None if the screening has no linear probe."""
    probe = found.of(PROBE)
    networks = [name for name in found.networks if name in probe]
    if not networks:
        return None
    kept = {entry.network for entry in found.shortlist}
    tuned = {arm.init: arm.mean.value for arm in task.under(task.condition)}
    styles = styles_of(networks)
    figure, axes = new_figure(4.2, 0.6 + 0.3 * len(networks))
    for row, name in enumerate(networks):
        score, style = probe[name], styles[name]
        if np.isfinite(score.low):
            axes.plot([score.low, score.high], [row, row], color=style.colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot(score.value, row, markersize=6, zorder=4, **style.mark)
        if name in tuned:
            axes.plot(tuned[name], row, "D", color="white", markeredgecolor=INK, markersize=5, zorder=5)
    labels = [f"{init_name(name)} (kept)" if name in kept else init_name(name) for name in networks]
    name_rows(axes, labels)
    axes.set_xlabel("AUC")
    guessing = mark_guessing(axes)
    caption = (
        f"Screening on {task.name}: the AUC of a linear probe on the frozen features of each candidate, with its 95 % "
        "interval. Kept: on the shortlist."
    )
    if set(tuned) & set(networks):
        caption += " Hollow diamond: the mean test AUC after fine-tuning."
    caption += guessing
    return gallery.keep(figure, f"{task.name}-screening", f"Screening: {task.name}", caption)
