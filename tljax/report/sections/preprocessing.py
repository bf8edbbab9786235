"""Whether the input normalisation of the paper or that of the pre-training is better."""

from tljax.report.analysis.conditions import PREPROCESSING
from tljax.report.analysis.study import Study
from tljax.report.contrast_section import contrast_section
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section

ORDER = 90


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return contrast_section(
        study,
        gallery,
        PREPROCESSING,
        "Paper or native preprocessing?",
        "The paper normalised the images of every network in the same way. Native preprocessing normalises them as "
        "each network was pre-trained.",
        absent="Only one preprocessing was trained, so paper and native preprocessing cannot be compared.",
    )
