"""Validation loss and AUC over the epochs, on one task under one condition."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from tljax.report.analysis.conditions import Condition
from tljax.report.analysis.study import Task
from tljax.report.analysis.trials import Trial
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import CHANCE, styles_of
from tljax.report.elements import Drawing
from tljax.report.wording.names import condition_name, init_name, sentence

Curve = Float[np.ndarray, " e"]
QUANTITIES = {"val_loss": "validation loss", "val_auc": "validation AUC"}


def draw(gallery: Gallery, task: Task, condition: Condition) -> list[Drawing]:
    """Draws every fold as a thin line, and the mean over folds as a thick one."""
    return [_curves(gallery, task, condition, quantity) for quantity in QUANTITIES]


def _curves(gallery: Gallery, task: Task, condition: Condition, quantity: str) -> Drawing:
    arms, title, name = task.under(condition), QUANTITIES[quantity], condition_name(condition)
    styles = styles_of([arm.init for arm in arms])
    figure, axes = new_figure()
    for arm in arms:
        style = styles[arm.init]
        curves = [_mean([_last_phase(trial, quantity) for trial in trials]) for trials in arm.by_fold.values()]
        for curve in curves:
            _plot(axes, curve, color=style.colour, alpha=0.25, linewidth=0.8)
        if len(mean := _mean(curves)):
            _plot(axes, mean, color=style.colour, linestyle=style.dash, label=init_name(arm.init))
    axes.set(xlabel="epoch", ylabel=title)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    caption = (
        f"{sentence(title)} on {task.name} ({name}) over the epochs. Thin: each fold"
        f"{', averaged over seeds' if task.several_seeds else ''}. Thick: mean over folds, for as many epochs as "
        "all of them were trained."
    )
    if quantity == "val_auc":
        axes.axhline(0.5, **CHANCE)
        caption += " Dotted line: an AUC of 0.5, as from guessing."
    return gallery.keep(figure, f"{task.name}-{name}-{quantity}", f"{sentence(title)}: {task.name}, {name}", caption)


def _plot(axes: Any, curve: Curve, **look: Any) -> None:
    """Draws a curve over the epochs; a single epoch is a point, because a line of one point is invisible."""
    axes.plot(range(1, len(curve) + 1), curve, marker="o" if len(curve) == 1 else "", **look)


def _mean(curves: Sequence[Curve]) -> Curve:
    """Returns the mean over the epochs that all curves have; curves without a defined value are left out."""
    known = [curve for curve in curves if np.isfinite(curve).any()]
    shortest = min(map(len, known), default=0)
    return np.mean([curve[:shortest] for curve in known], axis=0) if known else np.zeros(0)


def _last_phase(trial: Trial, quantity: str) -> Curve:
    """Returns the curve over the epochs of the last phase: without those in which only the head was trained first."""
    phases = np.array(trial.epochs.phases)
    return trial.epochs.curves[quantity][phases == phases[-1]] if len(phases) else np.zeros(0)
