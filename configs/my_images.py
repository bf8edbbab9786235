"""The paper's question for your own images: which pre-training should I start from, and what do I gain?

    tljax study --config my_images --workdir mine --train.data-dir IMAGES
    tljax report mine

IMAGES holds one folder per class, or a labels.csv with the columns file,label,patient. Patients stay together, every
image is tested once, and each network gets the input of its pre-training. Weights that are missing are named and left
out; `tljax weights get NAME` downloads them.

Expect a report that says which initialisation won, by how much and how certainly, or that your images cannot tell.
"""

from tljax.core.config import StudyConfig, TrainConfig

config = StudyConfig(
    tasks=("folder",),
    inits=("imagenet", "radimagenet", "random"),
    train=TrainConfig(folds="grouped", epochs=60, learning_rate=3e-5),
)
