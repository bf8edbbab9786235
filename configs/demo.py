"""The whole question in miniature, on simulated ultrasound that comes with tljax: nothing to download.

    make demo

or

    python -m tljax.study --config configs/demo.py --workdir demo
    python -m tljax.report demo

A small ResNet is trained to tell twelve kinds of simulated lesions apart; then it, and one of random weights, are
fine-tuned to tell benign from malignant, are compared, and reported. It takes about three minutes on two cores.

Expect a test AUC of about 0.90 from the pre-trained network and of about 0.67 from random (0.56 to 0.75, by fold),
which 480 images do not suffice to train.
"""

from tljax.core.config import StudyConfig, TrainConfig

BACKBONE = {"backbone": "resnet_tiny", "variant": "torch_v1.5", "dropout": 0.0}

config = StudyConfig(
    tasks=("phantom",),
    inits=("phantom-source", "random"),
    freezes=(False,),
    folds=(1, 2, 3),
    pretrain=(
        TrainConfig(dataset="phantom-source", epochs=8, learning_rate=2e-3, batch_size=64, select="last", **BACKBONE),
    ),
    train=TrainConfig(epochs=8, learning_rate=5e-4, **BACKBONE),
)
