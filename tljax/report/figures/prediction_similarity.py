"""Prediction similarity of every pair of initialisations, with what independent errors would give."""

from tljax.report.analysis.study import Study
from tljax.report.drawing.axes import name_rows
from tljax.report.drawing.gallery import Gallery, new_figure
from tljax.report.drawing.style import INK
from tljax.report.elements import Drawing
from tljax.report.wording.names import init_name, lowest_seed


def draw(gallery: Gallery, study: Study) -> Drawing | None:
    """Draws one line per pair under the verdict's condition; None if no two initialisations can be compared."""
    rows = [
        (f"{task.name}: {' – '.join(map(init_name, found.inits))}", found.test)
        for task in study.tasks
        for found in task.predictions[task.condition]
    ]
    if not rows:
        return None
    figure, axes = new_figure(5.4, 0.75 + 0.3 * len(rows))
    marks = (
        ("observed", "observed", {"marker": "o", "color": INK, "markersize": 6}),
        ("independent", "independent errors", {"marker": "|", "color": "#0072B2", "markersize": 13, "mew": 2.2}),
        (
            "independent_within_class",
            "independent within each class",
            {"marker": "d", "color": "#009E73", "markerfacecolor": "white", "markersize": 6},
        ),
        ("authors_independent", "the authors' baseline", {"marker": "x", "color": "#D55E00", "markersize": 5}),
    )
    for row, (_, found) in enumerate(rows):
        axes.plot([found.low, found.high], [row, row], color=INK, linewidth=1.6, solid_capstyle="butt")
    for key, label, look in marks:
        axes.plot([getattr(found, key) for _, found in rows], range(len(rows)), linestyle="", label=label, **look)
    name_rows(axes, [name for name, _ in rows])
    axes.set_xlabel("share of test images on which both are right or both are wrong")
    axes.locator_params(axis="x", nbins=6)
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2)
    caption = (
        "Prediction similarity with its 95 % interval, next to three baselines: what it would be if the errors of "
        "the two networks were independent; the same if they were independent within each class, because some classes "
        "are harder for every network; and the baseline of the published code, which squares the accuracy of the first "
        f"network.{lowest_seed(study.tasks)}"
    )
    return gallery.keep(figure, "prediction-similarity", "Prediction similarity", caption)
