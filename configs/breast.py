"""ImageNet against random initialisation on breast ultrasound: the paper's question at a size for a CPU.

    tljax study --config breast --workdir breast --train.data-dir Dataset_BUSI_with_GT

The images are on Kaggle (aryashah2k/breast-ultrasound-images-dataset). `tljax weights get imagenet` downloads the
ImageNet weights; `--train.weights-dir` names another folder of weights.

Two settings are not the paper's, so that it runs on a CPU: 64 pixels instead of 224, and six epochs (after three of the
head) instead of up to 200, of which the last one is kept. Learning rate and batch size are the paper's. Expect the AUCs
in the README: well above random from ImageNet, and well below the published ones, since six epochs at the paper's
learning rate are far from convergence.
"""

from tljax.core.config import StudyConfig, TrainConfig

config = StudyConfig(
    tasks=("breast",),
    inits=("imagenet", "random"),
    train=TrainConfig(image_size=64, epochs=6, head_epochs=3, select="last"),
)
