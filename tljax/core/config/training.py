"""The settings of `tljax train`."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tljax.core.config.parsing import to_json


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Fine-tune one network on one fold of one data set."""

    # What to train
    dataset: str = "phantom"
    """a task that `tljax datasets` lists"""
    init: str = "random"
    """imagenet | radimagenet | random | a converted weights folder | a run folder"""
    freeze: bool = False
    """train only the head first, with the backbone frozen, then everything"""
    train: Literal["all", "head", "last10"] = "all"
    """what is trained (with --freeze: in the second phase): all, the head, or the last 10 Keras layers and the head"""
    fold: int = 1
    """the fold, 1..5"""
    seed: int = 0
    """seed of the random initialisation, the head, shuffling, augmentation and dropout"""
    tag: str = ""
    """added to the run folder's name, to distinguish runs of different settings"""

    # Locations
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    folds_dir: Path | None = None
    """published fold lists: <task>/{train,val,test}_fold<k>.csv"""
    weights_dir: Path | None = None
    """holds one folder of converted weights per name; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights"""
    download: bool = False
    """download the weights that --init names if they are missing"""
    workdir: Path = Path("runs")
    """the folder for runs: <dataset>/<init>-<freeze|nofreeze>/fold<k>"""
    cache_dir: Path | None = None
    """prepared images; default $TLJAX_CACHE, then ~/.cache/tljax"""

    # The network
    backbone: str = "resnet50"
    """architecture of a random initialisation, e.g. resnet50 or resnet_tiny; for weights it is known"""
    variant: str | None = None
    """variant of a random initialisation, e.g. keras_v1 or torch_v1.5; default the first of its family"""
    dropout: float | None = None
    """dropout rate before the head; default 0.5, and 0 for random initialisation, as in the paper"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: the input normalisation of the initial weights; paper: BGR minus the ImageNet mean for all"""

    # The data
    folds: Literal["paper", "grouped", "honest"] = "paper"
    """rule of our own folds: the paper's, or grouped and stratified, with every image tested once (honest: old name)"""
    group_duplicates: bool = False
    """keep duplicate images in the same part of our own folds; `tljax datasets` shows the duplicates"""
    allow_leakage: bool = False
    """train even if patients are in two parts of the fold; the run records it and the report shows it"""
    image_size: int | None = None
    """side in pixels; default the paper's size for the task"""
    augment: Literal["paper", "none"] = "paper"
    """random rotation, shift, shear, zoom and flip of the training images"""
    skip_bad: bool = False
    """leave out unreadable images and record their names, instead of stopping"""
    storage: Literal["auto", "device", "stream"] = "auto"
    """where the images are during training: in device memory if they fit, else streamed from disk"""

    # The optimisation
    batch_size: int | None = None
    """total over all devices; default the paper's size for the task"""
    epochs: int = 200
    """largest number of epochs"""
    patience: int = 30
    """epochs without a better selection score before stopping"""
    learning_rate: float = 1e-5
    """learning rate of Adam; constant after --warmup-epochs"""
    warmup_epochs: int = 0
    """epochs over which the learning rate rises linearly, for transformers; not while only the head is trained"""
    weight_decay: float = 0.0
    """decoupled weight decay of kernels (e.g. 0.05 for transformers); not while only the head is trained"""
    head_epochs: int = 200
    """largest number of epochs in which only the head is trained (--freeze)"""
    head_patience: int = 10
    """epochs without a better validation accuracy before the training of the head stops"""
    head_learning_rate: float = 1e-3
    """learning rate of Adam while only the head is trained"""
    head_select: Literal["val_accuracy", "last"] = "val_accuracy"
    """which epoch's head the next phase starts from: the best one, or the last one as in the paper"""
    select: Literal["val_auc", "val_loss", "last"] = "val_auc"
    """which epoch's weights are kept; the score also stops the training early. The paper's rule is val_loss"""
    precision: Literal["float32", "bfloat16"] | None = None
    """precision of the computation; default bfloat16 on GPU and TPU, float32 on CPU"""

    save_seconds: float = 30.0
    """shortest time between two saves of the resumable state, which a kill can lose; 0: save after every epoch"""

    # Display
    quiet: bool = False
    """show no progress"""
    tensorboard: bool = False
    """write TensorBoard event files into the run folder"""
    profile: bool = False
    """write a jax profiler trace of the second epoch into the run folder"""

    # Many hosts
    distributed: bool = False
    """this is one of several processes, known from SLURM, Open MPI or Kubernetes, or given by the three flags below"""
    coordinator: str | None = None
    """host:port of process 0"""
    num_processes: int | None = None
    process_id: int | None = None


# Settings that change no result: what is shown of a run, and the processes that share it.
SIGHT_AND_HOSTS = ("quiet", "tensorboard", "profile", "distributed", "coordinator", "num_processes", "process_id")
_PLACES = ("data_dir", "folds_dir", "weights_dir", "workdir", "cache_dir")
# Settings in which a resumed run may differ: those above, locations, and storage, which changes rounding only.
INCIDENTAL = (*_PLACES, "download", "storage", "allow_leakage", "save_seconds", *SIGHT_AND_HOSTS)


def completed(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the recorded settings of a run, with those added that did not exist then, as JSON values.

    The default of every new setting is what was done before it existed, so that is what those runs were trained with.
    """
    return to_json(TrainConfig()) | dict(recorded)
