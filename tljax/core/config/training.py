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
    """first train the head alone on the frozen backbone, then everything"""
    train: Literal["all", "head", "last10"] = "all"
    """what is trained (with --freeze: in the second phase): all, the head, or the last 10 Keras layers and the head"""
    fold: int = 1
    """1..5"""
    seed: int = 0
    """of the random initialisation, the head, shuffling, augmentation and dropout"""
    tag: str = ""
    """added to the run folder's name, to distinguish runs of different settings"""

    # Locations
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    folds_dir: Path | None = None
    """published fold lists: <task>/{train,val,test}_fold<k>.csv"""
    weights_dir: Path | None = None
    """of converted weights, one folder per name; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights"""
    download: bool = False
    """download the weights that --init names if they are not there"""
    workdir: Path = Path("runs")
    """run folders are made here: <dataset>/<init>-<freeze|nofreeze>/fold<k>"""
    cache_dir: Path | None = None
    """prepared images; default $TLJAX_CACHE, then ~/.cache/tljax"""

    # The network
    backbone: str = "resnet50"
    """of a random initialisation, e.g. resnet50 or resnet_tiny; weights bring their own"""
    variant: str | None = None
    """of a random initialisation, e.g. keras_v1 or torch_v1.5; default the first of its family"""
    dropout: float | None = None
    """before the head; default 0.5, and 0 from random initialisation, as in the paper"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: as the initial weights were trained; paper: BGR minus the ImageNet mean for all of them"""

    # The data
    folds: Literal["paper", "grouped", "honest"] = "paper"
    """rule of our own folds: the paper's, or grouped and stratified with every image tested once (honest: old name)"""
    group_duplicates: bool = False
    """keep images of one picture in the same part of our own folds, as tljax.datasets finds them"""
    allow_leakage: bool = False
    """train although patients are in two parts of the fold; the run records it and the report shows it"""
    image_size: int | None = None
    """pixels; default the paper's size for the task"""
    augment: Literal["paper", "none"] = "paper"
    """random rotation, shift, shear, zoom and flip of the training images"""
    skip_bad: bool = False
    """leave unreadable images out, and record them, instead of stopping"""
    storage: Literal["auto", "device", "stream"] = "auto"
    """where the images are while training: in device memory if they fit, else streamed from disk"""

    # The optimisation
    batch_size: int | None = None
    """over all devices; default the paper's for the task"""
    epochs: int = 200
    """at most"""
    patience: int = 30
    """epochs without a better selection score before stopping"""
    learning_rate: float = 1e-5
    """of Adam; constant, but for --warmup-epochs"""
    warmup_epochs: int = 0
    """epochs over which the learning rate rises linearly, for transformers; not while the head alone is trained"""
    weight_decay: float = 0.0
    """decoupled, of kernels alone (e.g. 0.05 for transformers); not while the head alone is trained"""
    head_epochs: int = 200
    """at most, of the head alone (--freeze)"""
    head_patience: int = 10
    """epochs of the head alone without a better validation accuracy"""
    head_learning_rate: float = 1e-3
    """of Adam, while the head alone is trained"""
    head_select: Literal["val_accuracy", "last"] = "val_accuracy"
    """which epoch's head the next phase starts from: the best one, or the last one as in the paper"""
    select: Literal["val_auc", "val_loss", "last"] = "val_auc"
    """which epoch's weights are kept; the score also stops the training early. The paper's rule is val_loss"""
    precision: Literal["float32", "bfloat16"] | None = None
    """of the computation; default bfloat16 on GPU and TPU, float32 on CPU"""

    save_seconds: float = 30.0
    """between two saves of the state from which a run continues; what a kill can cost. 0: after every epoch"""

    # Display
    quiet: bool = False
    """no progress display"""
    tensorboard: bool = False
    """write TensorBoard event files into the run folder"""
    profile: bool = False
    """write a jax profiler trace of the second epoch into the run folder"""

    # Many hosts
    distributed: bool = False
    """this is one of several processes; found from SLURM, Open MPI or Kubernetes, or given by the three flags below"""
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
