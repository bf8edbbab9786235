"""The whole question in miniature, on simulated ultrasound that comes with tljax: nothing to download.

    make demo

or

    tljax study --config demo --workdir demo
    tljax report demo

First a small ResNet learns to distinguish twelve kinds of simulated lesions. Then this network and a random one are
screened by their frozen features, fine-tuned to distinguish benign from malignant lesions, compared, and reported. It
takes a few minutes on two cores.

Expect a mean test AUC of 0.88 to 0.97 from the pre-trained network and of 0.62 to 0.72 from the random one: machines
round differently, and the 480 images are too few to train a network from random weights.
"""

from tljax.core.config import StudyConfig, TrainConfig

BACKBONE = {"backbone": "resnet_tiny", "variant": "torch_v1.5", "dropout": 0.0}

config = StudyConfig(
    tasks=("phantom",),
    inits=("phantom-source", "random"),
    freezes=(False,),
    folds=(1, 2, 3),
    screen=True,
    pretrain=(
        TrainConfig(dataset="phantom-source", epochs=8, learning_rate=2e-3, batch_size=64, select="last", **BACKBONE),
    ),
    train=TrainConfig(epochs=8, learning_rate=5e-4, **BACKBONE),
)
