"""ROC curves of one task under one condition."""

import numpy as np
from jaxtyping import Float

from tljax.report.analysis.conditions import Condition
from tljax.report.analysis.study import Task
from tljax.report.analysis.trials import Trial
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import FAINT, styles_of
from tljax.report.elements import Drawing
from tljax.report.wording.names import condition_name, init_name

GRID = np.linspace(0, 1, 101)


def draw(gallery: Gallery, task: Task, condition: Condition) -> Drawing:
    """Draws the mean curve over folds (and seeds), with a band of one standard deviation."""
    arms = task.under(condition)
    styles = styles_of([arm.init for arm in arms])
    figure, axes = new_figure(height=3.1)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, dashes=(1, 2))
    for arm in arms:
        curves = [_curve(trial) for trial in arm.trials if np.isfinite(trial.auc.value)]
        if not curves:
            continue
        style, mean, spread = styles[arm.init], np.mean(curves, axis=0), np.std(curves, axis=0)
        label = f"{init_name(arm.init)} {arm.mean.value:.3f}"
        axes.plot(GRID, mean, color=style.colour, linestyle=style.dash, label=label)
        low, high = np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1)
        axes.fill_between(GRID, low, high, color=style.colour, alpha=0.13, linewidth=0)
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", title="mean AUC", title_fontsize=7.5, alignment="left")
    kind = "" if len(task.facts.classes) == 2 else " Each class against the rest, weighted by prevalence."
    name, runs = condition_name(condition), "folds and seeds" if task.several_seeds else "folds"
    caption = (
        f"ROC curves on the test images of {task.name} ({name}). Line: mean over {runs}. Band: one standard deviation "
        f"over {runs}.{kind}"
    )
    return gallery.keep(figure, f"{task.name}-{name}-roc", f"ROC: {task.name}, {name}", caption)


def _curve(trial: Trial) -> Float[np.ndarray, " g"]:
    from sklearn.metrics import roc_curve

    labels, probabilities = trial.test.labels, trial.test.probabilities
    classes = [1] if probabilities.shape[1] == 2 else np.unique(labels)
    curves = []
    for c in classes:
        false, true, _ = roc_curve(labels == c, probabilities[:, c])
        curves.append(np.interp(GRID, false, true))
        curves[-1][0] = 0
    return np.average(curves, axis=0, weights=[np.sum(labels == c) for c in classes])
