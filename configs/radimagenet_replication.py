"""RadImageNet's own protocol on thyroid and breast ultrasound, from RadImageNet and from ImageNet.

    python -m tljax.study --config configs/radimagenet_replication.py --workdir replication

Set ARCHIVES below first; the weights lie in ~/.cache/tljax/weights, or where --train.weights-dir says.

30 epochs at 256 pixels, inputs as RadImageNet was trained on, the best validation loss kept, and a grid of what is
trained and how fast: everything, the head alone, the last ten layers (Mei et al. 2022,
https://doi.org/10.1148/ryai.210315, who report RadImageNet ahead). Expect no such lead: the paper that repeated it
found none.
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
