"""The section that compares two ways of training each initialisation."""

from tljax.report.analysis.conditions import Axis
from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, Table, section
from tljax.report.figures import contrast
from tljax.report.wording.contrasts import WAYS
from tljax.report.wording.names import NONE, condition_name, init_name, interval, p_value, plain, sentence, signed
from tljax.statistics.multiplicity import holm


def contrast_section(study: Study, gallery: Gallery, axis: Axis, title: str, text: str, absent: str) -> Section:
    """Returns the section of an axis, with a figure per task and one table."""
    drawings = [contrast.draw(gallery, task, axis) for task in study.tasks]
    return section(axis.setting, title, [*drawings, contrast_table(study, axis)], text, absent)


def contrast_table(study: Study, axis: Axis) -> Table:
    """Returns every initialisation trained in both ways, on the folds that both finished."""
    names = WAYS[axis].names
    found = [(task.name, each) for task in study.tasks for each in task.contrasts[axis]]
    adjusted = holm([each.t.p for _, each in found])
    rows = [
        [
            task, init_name(each.first.init), condition_name(each.first.condition, axis.setting) or NONE,
            *map(plain, each.means), signed(each.t.value), interval(each.t.low, each.t.high), p_value(each.t.p),
            p_value(p), str(each.folds),
        ]
        for (task, each), p in zip(found, adjusted, strict=True)
    ]  # fmt: skip
    columns = (
        "task", "start from", "condition", *(f"AUC, {name}" for name in names), f"difference ({' − '.join(names)})",
        "95 % interval of difference", "p over folds", "p over folds, adjusted", "folds",
    )  # fmt: skip
    caption = (
        f"{sentence(names[0])} against {names[1]}, fold by fold: corrected resampled t-test. Adjusted: by Holm's "
        "method over the rows of this table."
    )
    return Table(axis.setting, caption, columns, rows, words=3)
