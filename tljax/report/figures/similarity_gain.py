"""Similarity before and after fine-tuning against the gain in AUC over random initialisation."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tljax.core.measures import measure_title
from tljax.report.analysis.study import Study, Task
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import FAINT, Style, styles_of
from tljax.report.elements import Drawing
from tljax.report.wording.names import init_name, interval, listed, plain
from tljax.statistics.correlation import correlation


class Point(NamedTuple):
    """One fold of one task."""

    task: str
    similarity: float
    gain: float


def draw(gallery: Gallery, study: Study) -> list[Drawing]:
    """Draws one figure per initialisation with a panel per layer."""
    points: dict[str, dict[str, list[Point]]] = defaultdict(lambda: defaultdict(list))
    of_tasks = [(task, task.main_representations) for task in study.tasks]
    compared = [(task, found) for task, found in of_tasks if found is not None]
    if not compared:
        return []
    first = compared[0][1]
    for task, found in compared:
        if (found.protocol, found.measure) != (first.protocol, first.measure):  # other values than the axis shows
            continue
        gains = _gains(task)
        for pair in found.values:
            if pair.freeze or not pair.before_and_after or pair.first.init == "random":
                continue
            for layer in found.matched(pair):
                for fold, value in layer.by_fold.items():
                    if (gain := gains.get((pair.first.init, fold))) is not None:
                        points[pair.first.init][layer.name].append(Point(task.name, value, gain))
    styles = styles_of([task.name for task in study.tasks])
    return [_panels(gallery, init, layers, measure_title(first.measure), styles) for init, layers in points.items()]


def _gains(task: Task) -> dict[tuple[str, str], float]:
    """Returns the relative gain over random initialisation, by initialisation and fold, for the verdict's condition."""
    aucs = {arm.init: arm.aucs for arm in task.under(task.condition)}
    base = aucs.get("random", {})
    return {
        (init, str(fold)): (value - base[fold]) / base[fold]
        for init, by_fold in aucs.items()
        for fold, value in by_fold.items()
        if base.get(fold)  # relative to an AUC of 0, the gain is undefined
    }


def _panels(
    gallery: Gallery, init: str, layers: Mapping[str, list[Point]], measure: str, styles: Mapping[str, Style]
) -> Drawing:
    tasks = sorted({point.task for points in layers.values() for point in points})
    figure, panels = new_figure(1.75 * max(len(layers), 2), 2.5, columns=len(layers), sharey=True, squeeze=False)
    correlations = []
    for axes, (layer, points) in zip(panels[0], layers.items(), strict=True):
        for task in tasks:
            x, y = ([p.similarity for p in points if p.task == task], [p.gain for p in points if p.task == task])
            axes.plot(x, y, linestyle="", label=task, **styles[task].mark)
        of_task, x, y = zip(*points, strict=True)
        r = correlation(np.array(x), np.array(y), of_task if len(tasks) > 1 else None)
        certain = np.isfinite(r.low)  # without an interval, a coefficient means nothing
        axes.set_title(f"{layer}  r = {plain(r.value)}" if certain else layer)
        axes.set_xlabel(measure)
        axes.axhline(0, color=FAINT, linewidth=0.7)
        axes.locator_params(axis="x", nbins=4)
        if certain:
            correlations.append(f"{layer} {plain(r.value)} ({interval(r.low, r.high)})")
    panels[0, 0].set_ylabel("relative AUC gain over random")
    if len(tasks) > 1:
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(tasks), 7))
    caption = (
        f"{init_name(init)}: similarity of each layer before and after fine-tuning (horizontal axis) and the relative "
        "gain in AUC over random initialisation (vertical axis). One point per fold. "
    )
    caption += (
        f"Correlation with 95 % interval: {listed(correlations)}."
        if correlations
        else "There are too few points or tasks for a correlation."
    )
    if len(tasks) == 1:
        narrow = ", so the intervals are likely to be too narrow" if correlations else ""
        caption += f" All points are folds of one task, which are not independent{narrow}."
    return gallery.keep(figure, f"similarity-and-gain-{init}", f"Similarity and gain: {init_name(init)}", caption)
