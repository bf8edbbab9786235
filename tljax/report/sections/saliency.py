"""Where the networks look."""

from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, section
from tljax.report.figures import grad_cam

ORDER = 80


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section(
        "saliency",
        "Where do the networks look?",
        [grad_cam.draw(gallery, found) for found in study.explanations if found.kind == "gradcam"],
        absent="Grad-CAM maps were not kept (explain/<task>/gradcam-*.npz).",
    )
