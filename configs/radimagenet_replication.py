"""RadImageNet's own protocol on thyroid and breast ultrasound, from RadImageNet and from ImageNet.

    tljax study --config radimagenet_replication --workdir replication

Set ARCHIVES below first. The weights are read from ~/.cache/tljax/weights, or from `--train.weights-dir`.

The protocol is that of Mei et al. 2022, https://doi.org/10.1148/ryai.210315: 30 epochs at 256 pixels, the epoch with
the best validation loss, and a grid of what is trained (everything, the head alone, the last ten layers) and at which
learning rate. Each network gets the input of its own pre-training. Mei et al. report that RadImageNet is better than
ImageNet. Expect no such difference: the paper that repeated the comparison (configs/paper.py) found none.
"""

from pathlib import Path

from tljax.core.config import StudyConfig, TrainConfig

ARCHIVES = Path("archives")  # holds a folder or an archive file for each task

GRID = {"all": (1e-3, 1e-4), "head": (1e-2, 1e-3), "last10": (1e-2, 1e-3)}

config = StudyConfig(
    tasks=("rad_thyroid", "breast"),
    inits=("imagenet", "radimagenet"),
    freezes=(False,),
    recipes=tuple(
        {"train": scope, "learning_rate": rate, "tag": f"lr{rate:g}"} for scope, rates in GRID.items() for rate in rates
    ),
    train=TrainConfig(image_size=256, epochs=30, select="val_loss"),
    overrides={
        "rad_thyroid": {"data_dir": ARCHIVES / "thyroid"},
        "breast": {"data_dir": ARCHIVES / "breast"},
    },
)
