"""What the terms of the report mean."""

from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Definitions, Section, section

ORDER = 125

TERMS = (
    ("Initialisation", "The weights with which training starts: those of a pre-trained network, or random ones."),
    (
        "Fold",
        "One way to divide the images into training, validation and test images. Each fold trains new networks. How "
        "much the results differ between folds shows how much they depend on the choice of images.",
    ),
    ("Validation images", "They decide which epoch of a training is kept."),
    ("Test images", "They play no part in training or in any choice. The results are measured on them."),
    (
        "AUC",
        "Area under the ROC curve: the probability that the network gives an image of one class a higher score than an "
        "image of the other. 1 is perfect; 0.5 is no better than guessing.",
    ),
    (
        "95 % interval",
        "A range computed so that it contains the true value in 95 of 100 studies like this one, if the assumptions of "
        "the method hold.",
    ),
    (
        "p over folds, p over images",
        "The probability of a difference at least as large as the observed one if there were none. The first asks "
        "whether the difference would persist with other training images, the second whether it would persist with "
        "other test images. A difference counts as shown if both are below 0.05 and both tests favour the same "
        "initialisation.",
    ),
    ("Condition", "How the networks were trained. Initialisations are compared within a condition."),
    ("Head", "The last layer of a network, which classifies. The other layers are the backbone."),
)


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section("terms", "What do the terms mean?", [Definitions("", TERMS)])
