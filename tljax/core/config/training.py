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
    """a name that `tljax weights list` shows, such as imagenet | random | a weights folder | a run folder"""
    freeze: bool = False
    """train only the head first, with the backbone frozen, then everything"""
    train: Literal["all", "head", "last10"] = "all"
    """what is trained (with --freeze, in the second phase): all, the head, or the head and the last 10 Keras layers"""
    fold: int = 1
    """the fold, 1..5"""
    seed: int = 0
    """seed of the random initialisation, the head, shuffling, augmentation and dropout"""
    tag: str = ""
    """added to the name of the run folder, to distinguish runs with different settings"""

    # Locations
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    folds_dir: Path | None = None
    """published fold lists: <task>/{train,val,test}_fold<k>.csv"""
    weights_dir: Path | None = None
    """the folder of converted weights, one folder per name; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights"""
    download: bool = False
    """download the weights that --init names if they are missing"""
    workdir: Path = Path("runs")
    """the folder for runs: <dataset>/<init>-<freeze|nofreeze>/fold<k>"""
    cache_dir: Path | None = None
    """prepared images; default $TLJAX_CACHE, then ~/.cache/tljax"""

    # The network
    backbone: str = "resnet50"
    """architecture of a random initialisation, e.g. resnet50 or resnet_tiny; not used for weights"""
    variant: str | None = None
    """variant of a random initialisation, e.g. keras_v1 or torch_v1.5; default the first of its family"""
    dropout: float | None = None
    """dropout rate before the head; default 0.5, and 0 for random initialisation, as in the paper"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: the input normalisation of the initial weights; paper: BGR minus the ImageNet mean for all"""

    # The data
    folds: Literal["paper", "grouped", "honest"] = "paper"
    """without --folds-dir. paper: the paper's folds; grouped (formerly honest): stratified, patients together"""
    group_duplicates: bool = False
    """keep duplicate images in the same part of a fold; `tljax datasets` shows the duplicates"""
    allow_leakage: bool = False
    """train even if images of one patient are in two parts of the fold; the run records this and the report shows it"""
    image_size: int | None = None
    """side of the images in pixels; default the task's size"""
    augment: Literal["paper", "none"] = "paper"
    """random rotation, shift, shear, zoom and flip of the training images"""
    skip_bad: bool = False
    """leave out unreadable images and record their names, instead of stopping"""
    storage: Literal["auto", "device", "stream"] = "auto"
    """where the images are during training: in device memory if they fit, else streamed from disk"""

    # The optimisation
    batch_size: int | None = None
    """images per batch, over all devices; default the task's batch size"""
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
    """the epoch from which the second phase takes the head: the best one, or the last one as in the paper"""
    select: Literal["val_auc", "val_loss", "last"] = "val_auc"
    """the epoch that is kept: the best by validation AUC or loss, which also stops training early, or the last"""
    precision: Literal["float32", "bfloat16"] | None = None
    """precision of the computation; default bfloat16 on GPU and TPU, float32 on CPU"""

    save_seconds: float = 30.0
    """shortest time between two saves of the state; a killed run loses at most this time. 0: save after every epoch"""

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
    """total number of processes"""
    process_id: int | None = None
    """number of this process, from 0"""


# Settings that do not change results: display, and processes.
DISPLAY_AND_PROCESSES = ("quiet", "tensorboard", "profile", "distributed", "coordinator", "num_processes", "process_id")
_PLACES = ("data_dir", "folds_dir", "weights_dir", "workdir", "cache_dir")
# Settings that may change when a run is resumed: those above, locations, and storage, which only changes rounding.
INCIDENTAL = (*_PLACES, "download", "storage", "allow_leakage", "save_seconds", *DISPLAY_AND_PROCESSES)


def completed(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the recorded settings of a run as JSON values, with the defaults of settings that did not exist then.

    The default of each new setting is the behaviour before the setting existed, so the result is how the run was
    trained.
    """
    return to_json(TrainConfig()) | dict(recorded)
