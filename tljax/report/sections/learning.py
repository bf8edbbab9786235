"""How training went."""

from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, section
from tljax.report.figures import learning_curves

ORDER = 30


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    drawings = [
        drawing
        for task in study.tasks
        for condition in task.conditions
        for drawing in learning_curves.draw(gallery, task, condition)
    ]
    return section(
        "learning",
        "How did training go?",
        drawings,
        "The validation images decide which epoch of a run is kept. If the validation AUC still rises in the last "
        "epochs, longer training may help.",
    )
