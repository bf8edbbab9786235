"""The whole question in miniature, on simulated ultrasound that comes with tljax: nothing to download.

    make demo

or

    tljax study --config demo --workdir demo
    tljax report demo

First a small ResNet learns to distinguish twelve kinds of simulated lesions. Then this network and a random one are
screened by their frozen features, fine-tuned to distinguish benign from malignant lesions, compared, and reported. It
takes a few minutes on two cores.

Expect a mean test AUC of 0.86 to 0.95 from the pre-trained network and of 0.60 to 0.70 from the random one, because
machines round differently, and the verdict to start from the pre-trained one. The 480 training images of a fold are
too few to train a network well from random weights.
"""

from tljax.core.config import StudyConfig, TrainConfig

BACKBONE = {"backbone": "resnet_tiny", "variant": "torch_v1.5", "dropout": 0.0}

config = StudyConfig(
    tasks=("phantom",),
    inits=("phantom-source", "random"),
    freezes=(False,),
    screen=True,
    pretrain=(
        TrainConfig(dataset="phantom-source", epochs=8, learning_rate=2e-3, batch_size=64, select="last", **BACKBONE),
    ),
    train=TrainConfig(epochs=8, learning_rate=3e-4, **BACKBONE),
)
