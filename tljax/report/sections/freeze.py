"""Whether it helps to train the head first."""

from tljax.report.analysis.conditions import FREEZE
from tljax.report.analysis.study import Study
from tljax.report.contrast_section import contrast_section
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section

ORDER = 100


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return contrast_section(
        study,
        gallery,
        FREEZE,
        "Does it help to train the head first?",
        "The head is the last layer, which classifies. It can be trained first, while the layers before it are frozen.",
        absent="Head first and all layers at once were not both trained, so they cannot be compared.",
    )
