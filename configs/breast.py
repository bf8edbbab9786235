"""ImageNet against random initialisation on breast ultrasound: the paper's question at a size for a CPU.

    tljax study --config breast --workdir breast --train.data-dir Dataset_BUSI_with_GT

The images are on Kaggle (aryashah2k/breast-ultrasound-images-dataset). `tljax weights get imagenet` downloads the
ImageNet weights; `--train.weights-dir` names another folder of weights.

Two settings are not the paper's, so that it runs on a CPU: 64 pixels instead of 224, and exactly 40 epochs instead of
up to 200. Learning rate and batch size are the paper's. The 15 runs take three hours of processor time. Expect the
AUCs in the README. `python -m benchmarks.selected_epochs breast` then prints what the selection of an epoch changes.
"""

from tljax.core.config import StudyConfig, TrainConfig

config = StudyConfig(
    tasks=("breast",),
    inits=("imagenet", "random"),
    train=TrainConfig(image_size=64, epochs=40, patience=40),
)
