"""The whole question in miniature, on simulated ultrasound that comes with tljax: nothing to download.

    make demo

or

    python -m tljax.study --config configs/demo.py --workdir demo
    python -m tljax.report demo

Expect the pre-trained network to beat the random one.
"""

from tljax.config import StudyConfig, TrainConfig

config = StudyConfig(
    tasks=("phantom",),
    inits=("phantom-source", "random"),
    freezes=(False,),
    folds=(1, 2),
    pretrain=(
        TrainConfig(
            dataset="phantom-source", backbone="resnet_tiny", epochs=3, learning_rate=3e-3, batch_size=64, dropout=0.0,
            select="last",
        ),
    ),
    train=TrainConfig(backbone="resnet_tiny", epochs=4, learning_rate=1e-3, dropout=0.0),
)  # fmt: skip
