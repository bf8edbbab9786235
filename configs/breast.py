"""ImageNet against random initialisation on breast ultrasound: the paper's question at a size that a CPU bears.

    python -m tljax.study --config configs/breast.py --workdir breast --train.data-dir Dataset_BUSI_with_GT

The archive: Kaggle aryashah2k/breast-ultrasound-images-dataset. ImageNet weights: in
~/.cache/tljax/weights/imagenet (see tools/convert_weights.py), or add --train.weights-dir.

It departs from the paper where a CPU has to: 64 pixels for 224, 12 epochs (5 of the head) for 200 with early stopping,
and keeps the epoch with the best validation AUC, as a loss over 31 images says little. Learning rate and batch size are
the paper's. Expect an AUC of about 0.9 from ImageNet and less from random; the README has the figures.
"""

from tljax.config import StudyConfig, TrainConfig

config = StudyConfig(
    tasks=("breast",),
    inits=("imagenet", "random"),
    train=TrainConfig(image_size=64, epochs=12, head_epochs=5),
)
