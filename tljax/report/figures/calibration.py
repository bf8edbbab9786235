"""Calibration curves of one task under one condition."""

import numpy as np

from tljax.report.analysis.conditions import Condition
from tljax.report.analysis.study import Task
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import FAINT, styles_of
from tljax.report.elements import Drawing
from tljax.report.wording.names import condition_name, init_name
from tljax.statistics.scores import calibration_curve


def draw(gallery: Gallery, task: Task, condition: Condition) -> Drawing:
    """Draws accuracy against confidence of the predicted class in ten bins, over all folds and seeds together."""
    arms = task.under(condition)
    styles = styles_of([arm.init for arm in arms])
    figure, axes = new_figure(height=3.1)
    lowest = 1 / len(task.facts.classes)
    axes.plot([lowest, 1], [lowest, 1], color=FAINT, linewidth=0.8, dashes=(1, 2))
    for number, arm in enumerate(arms):
        bins = calibration_curve(
            np.concatenate([trial.test.labels for trial in arm.trials]),
            np.concatenate([trial.test.probabilities for trial in arm.trials]),
            [unit for trial in arm.trials for unit in trial.patients or trial.test.files],
        )
        x = np.array([each.confidence for each in bins]) + 0.004 * number
        y, low, high = np.transpose([(each.right.value, each.right.low, each.right.high) for each in bins])
        error = np.mean([trial.scores["calibration_error"] for trial in arm.trials])
        style = styles[arm.init]
        axes.errorbar(
            x, y, np.clip([y - low, high - y], 0, 1), linestyle=style.dash, elinewidth=0.8, linewidth=1.2,
            label=f"{init_name(arm.init)} {error:.3f}", **style.mark,
        )  # fmt: skip
    axes.set(xlabel="confidence", ylabel="share of right predictions", xlim=(lowest - 0.03, 1.03), ylim=(-0.02, 1.03))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, title="calibration error", title_fontsize=7.5)
    name = condition_name(condition)
    caption = (
        f"Calibration on the test images of {task.name} ({name}). Each point is a range of confidence: how often the "
        "predictions in it are right. On the dotted line, confidence and accuracy are equal. Bars: 95 % intervals over "
        f"{task.facts.unit} (Wilson); seeds do not count as more {task.facts.unit}."
    )
    return gallery.keep(figure, f"{task.name}-{name}-calibration", f"Calibration: {task.name}, {name}", caption)
