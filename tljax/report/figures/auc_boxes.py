"""The test AUC of every fold as boxes, over all tasks."""

from dataclasses import replace

import numpy as np

from tljax.report.analysis.conditions import Condition
from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import CHANCE, COLUMN, styles_of
from tljax.report.elements import Drawing
from tljax.report.wording.names import init_name


def draw(gallery: Gallery, study: Study) -> Drawing:
    """Draws one box per task, condition and initialisation. An initialisation has the same style in all tasks."""
    inits = sorted({arm.init for task in study.tasks for arm in task.arms})
    styles = styles_of(inits)
    boxes = sum(len(task.arms) for task in study.tasks)
    figure, axes = new_figure(max(COLUMN, 0.9 + 0.17 * boxes + 0.25 * len(study.tasks)), 2.9)
    position, ticks = 0.0, []
    for task in study.tasks:
        start = position
        for arm in sorted(task.arms, key=lambda arm: (arm.condition != task.condition, arm.condition, arm.init)):
            values, style = list(arm.aucs.values()), styles[arm.init]
            face = "white" if arm.condition.freeze else style.colour
            hatch = "////" if _differs(arm.condition, task.condition) else None
            alpha = 1 if arm.condition.freeze else 0.3
            box = {"facecolor": face, "alpha": alpha, "edgecolor": style.colour, "hatch": hatch}
            line = {"color": style.colour, "linewidth": 1}
            axes.boxplot(
                [values], positions=[position], widths=0.62, whis=(0, 100), manage_ticks=False, patch_artist=True,
                boxprops=box, whiskerprops=line, capprops=line, medianprops={**line, "linewidth": 1.8},
            )  # fmt: skip
            axes.plot(
                np.full(len(values), position), values, style.marker, color=style.colour, markersize=3.2,
                markerfacecolor=face, markeredgewidth=0.7,
            )  # fmt: skip
            position += 0.8
        ticks.append(((start + position - 0.8) / 2, task.name))
        position += 0.7
    axes.set_xticks([x for x, _ in ticks], [name for _, name in ticks])
    axes.set_xlim(-0.9, max(position - 0.6, 1.7))
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("test AUC")
    axes.axhline(0.5, **CHANCE)
    for init in inits:
        axes.plot([], [], styles[init].marker, color=styles[init].colour, label=init_name(init))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(len(inits), 4), handletextpad=0.2)
    caption = (
        "Test AUC by task and initialisation. Box: quartiles and median over folds. Whiskers: lowest and highest fold. "
        "Points: folds. Dotted line: an AUC of 0.5, as from guessing."
    )
    if any(arm.condition.freeze for task in study.tasks for arm in task.arms):
        caption += " Open boxes: the head was trained first, on the frozen backbone."
    if any(_differs(arm.condition, task.condition) for task in study.tasks for arm in task.arms):
        caption += " Hatched boxes: another condition than that of the verdict."
    return gallery.keep(figure, "auc-by-task", "AUC by task", caption)


def _differs(condition: Condition, verdicts: Condition) -> bool:
    return replace(condition, freeze=verdicts.freeze) != verdicts
