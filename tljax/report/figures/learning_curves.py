"""Validation loss and AUC over the epochs, on one task under one condition."""

import numpy as np
from jaxtyping import Float

from tljax.report.analysis.conditions import Condition
from tljax.report.analysis.study import Task
from tljax.report.analysis.trials import Trial
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import CHANCE, styles_of
from tljax.report.elements import Drawing
from tljax.report.wording.names import condition_name, init_name, sentence

QUANTITIES = {"val_loss": "validation loss", "val_auc": "validation AUC"}


def draw(gallery: Gallery, task: Task, condition: Condition) -> list[Drawing]:
    """Every run as a thin line, and their mean as a thick one, over the epochs that all of them trained."""
    return [_curves(gallery, task, condition, quantity) for quantity in QUANTITIES]


def _curves(gallery: Gallery, task: Task, condition: Condition, quantity: str) -> Drawing:
    arms, label, name = task.under(condition), QUANTITIES[quantity], condition_name(condition)
    styles = styles_of([arm.init for arm in arms])
    figure, axes = new_figure()
    for arm in arms:
        style = styles[arm.init]
        curves = [curve for curve in (_last_phase(trial, quantity) for trial in arm.trials) if np.isfinite(curve).any()]
        for curve in curves:
            axes.plot(range(1, len(curve) + 1), curve, color=style.colour, alpha=0.25, linewidth=0.8)
        shortest = min(map(len, curves), default=0)
        if shortest:
            mean = np.mean([curve[:shortest] for curve in curves], axis=0)
            axes.plot(range(1, shortest + 1), mean, color=style.colour, linestyle=style.dash, label=init_name(arm.init))
    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    caption = (
        f"{sentence(label)} on {task.name} ({name}) over the epochs. Thin: each run. Thick: their mean, over the "
        "epochs that all of them were trained."
    )
    if quantity == "val_auc":
        axes.axhline(0.5, **CHANCE)
        caption += " Dotted line: an AUC of 0.5, as from guessing."
    return gallery.keep(figure, f"{task.name}-{name}-{quantity}", f"{sentence(label)}: {task.name}, {name}", caption)


def _last_phase(trial: Trial, quantity: str) -> Float[np.ndarray, " e"]:
    """The epochs in which everything that was to be trained was trained: not those of the head alone."""
    phases = np.array(trial.epochs.phases)
    return trial.epochs.curves[quantity][phases == phases[-1]] if len(phases) else np.zeros(0)
