"""Whether the similarity of representations goes with the gain from pre-training."""

from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, section
from tljax.report.figures import similarity_gain

ORDER = 70


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section(
        "gain",
        "Is the similarity of representations related to the gain?",
        similarity_gain.draw(gallery, study),
        absent="Similarity against gain needs compared representations and random initialisation.",
    )
