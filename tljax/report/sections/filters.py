"""The filters of the first layer."""

from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, section
from tljax.report.figures import filters

ORDER = 50


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section(
        "filters",
        "How do the filters of the first layer change?",
        [filters.draw(gallery, found) for found in study.explanations if found.kind == "filters"],
        absent="Filters of the first layer were not kept (explain/<task>/filters-*.npz).",
    )
