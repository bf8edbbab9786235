"""Whether the predicted probabilities can be trusted."""

from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, section
from tljax.report.figures import calibration

ORDER = 20


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section(
        "calibration",
        "Can the predicted probabilities be trusted?",
        [calibration.draw(gallery, task, condition) for task in study.tasks for condition in task.conditions],
        "A network may rank images well and still be too confident.",
    )
