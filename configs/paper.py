"""The whole paper: seven tasks, ImageNet, RadImageNet and random, freeze and not, five folds: 175 fine-tunings.

    tljax study --config paper --workdir paper --dry-run
    tljax study --config paper --workdir paper

Set ARCHIVES and FOLDS below first; a task without an archive is left out. `tljax weights get NAME` downloads weights
to ~/.cache/tljax/weights; `--train.weights-dir` names another folder. The paper gave RadImageNet's weights inputs
255 times larger than in their pre-training; `--preprocessings paper native` runs both, in a `--workdir` of its own.

Expect AUCs over validation and test images together such as breast 0.905 (ImageNet) and 0.882 (RadImageNet) without
freeze; the report shows the published ones next to yours over the same images. Source: Juodelyte et al. 2023,
https://arxiv.org/abs/2302.08272.
"""

from pathlib import Path

from tljax.core.config import StudyConfig, TrainConfig

ARCHIVES = Path("archives")  # holds a folder or an archive file for each task
# None: folds made by the paper's rule. Path("revisiting-transfer/data"): the authors' lists, from their repository
# github.com/DovileDo/revisiting-transfer.
FOLDS = None

TASKS = ("thyroid", "breast", "chest", "mammograms", "knee", "isic", "pcam-small")

config = StudyConfig(
    tasks=TASKS,
    inits=("imagenet", "radimagenet", "random"),
    preprocessings=("paper",),
    train=TrainConfig(folds_dir=FOLDS, select="val_loss", head_select="last"),
    overrides={task: {"data_dir": ARCHIVES / task} for task in TASKS},
)
