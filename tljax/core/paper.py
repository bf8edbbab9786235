"""Holds names and table schemas of the replicated paper, for the code that writes or reads its tables.

Juodelyte, Jiménez-Sánchez & Cheplygina, "Revisiting Hidden Representations in Transfer Learning for Medical Imaging",
TMLR 2023, arXiv 2302.08272; the tables are those of github.com/DovileDo/revisiting-transfer.
"""

LAYERS = ("conv1", "block1", "block2", "block3", "block4")
"""The layers of ResNet50 that the paper compares: conv1 after its ReLU, and the output of each stage."""

INIT_NAMES = {"imagenet": "ImageNet", "radimagenet": "RadImageNet"}
"""The paper's names of the initialisations."""

AUC_COLUMNS = ("target", "source", "freeze", "fold", "AUC")
"""The columns of `AUC.csv`."""

CCA_COLUMNS = ("model1", "model2", "fold", "stimuli", *LAYERS)
"""The columns of `CCA_<task>.csv` and `simVSauc*.csv`."""

SIMILARITY_COLUMNS = ("target", "model1", "model2", "freeze", "fold", "prob", "value")
"""The columns of `similarity.csv`."""
