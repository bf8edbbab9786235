"""What fine-tuning changes inside the networks."""

from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, section
from tljax.report.figures import layer_curves, layer_maps

ORDER = 40


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section(
        "representations",
        "What does fine-tuning change inside the networks?",
        [
            *(drawing for task in study.tasks for drawing in layer_curves.draw(gallery, task)),
            *(drawing for task in study.tasks for drawing in layer_maps.draw(gallery, task)),
        ],
        "Canonical correlation analysis (CCA) compares what two networks compute from the same images, layer by layer. "
        "It is 1 if one layer is a linear function of the other, and at the chance level if they have nothing in "
        "common. The paper's protocol uses 64 random channels and 10,000 random positions; the full protocol uses all "
        "channels of all test images. CKA ignores only rotation and scale, and is therefore stricter. All measures "
        "except debiased CKA are higher for fewer images, so only values from equal numbers of images can be compared.",
        absent="Representations were not compared: neither results/representations.csv nor comparisons/ has any.",
    )
