"""ImageNet against random initialisation on breast ultrasound: the paper's question at a size that a CPU bears.

    python -m tljax.study --config configs/breast.py --workdir breast --train.data-dir Dataset_BUSI_with_GT

The archive: Kaggle aryashah2k/breast-ultrasound-images-dataset. ImageNet weights: in
~/.cache/tljax/weights/imagenet (see tools/convert_weights.py), or add --train.weights-dir.

It departs from the paper where a CPU has to: 64 pixels for 224, and six epochs (after three of the head) for up to 200,
the last of which is kept. Learning rate and batch size are the paper's. Expect the AUCs in the README: well above
random from ImageNet, and well under the published ones, since six epochs at the paper's rate are far from converged.
"""

from tljax.core.config import StudyConfig, TrainConfig

config = StudyConfig(
    tasks=("breast",),
    inits=("imagenet", "random"),
    train=TrainConfig(image_size=64, epochs=6, head_epochs=3, select="last"),
)
