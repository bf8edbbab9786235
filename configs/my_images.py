"""The paper's question for images of your own: which pre-training should I start from, and what does it gain me?

    python -m tljax.study --config configs/my_images.py --workdir mine --train.data-dir IMAGES
    python -m tljax.report mine

IMAGES holds a folder a class, or a labels.csv (file,label,patient). Patients stay together, every image is tested once,
and inputs are those that the weights were trained on. Weights that you have not got are named and left out.

Expect a report that says which initialisation won, by how much and how surely, or that your images cannot tell.
"""

from tljax.core.config import StudyConfig, TrainConfig

config = StudyConfig(
    tasks=("folder",),
    inits=("imagenet", "radimagenet", "random"),
    train=TrainConfig(folds="grouped", epochs=60, learning_rate=3e-5),
)
