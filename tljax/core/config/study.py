"""The settings of `tljax study`."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Fixed

from tljax.core.config.training import TrainConfig


@dataclasses.dataclass(frozen=True)
class SlurmConfig:
    """Resources of each job on a SLURM cluster, passed on to sbatch."""

    partition: str | None = None
    gres: str | None = None
    """e.g. gpu:1"""
    minutes: int = 720
    """time limit of a job; an unfinished run continues in another job"""
    memory: str | None = None
    """e.g. 32G"""
    cpus: int | None = None
    parallel: int = 64
    """largest number of jobs at the same time"""
    pack: int = 1
    """runs that share a job and the memory of its devices; for small data sets, e.g. 4"""


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """Run a grid of fine-tunings and all comparisons, and write their tables.

    The grid is tasks x folds x seeds x preprocessings x recipes x inits x freezes; a random backbone is never frozen.
    `tljax study --init-config NAME` copies an example config into the current folder.
    """

    # The grid
    tasks: tuple[str, ...] = ("phantom",)
    """data sets that `tljax datasets` lists"""
    inits: tuple[str, ...] = ("imagenet", "radimagenet", "random")
    """as --init of `tljax train`, or the data set of a run in `pretrain`; shortlist, alone: what screening selects"""
    screen: bool = False
    """first screen the initialisations of each task by their frozen features, and write screening/<task>/"""
    freezes: tuple[bool, ...] = (False, True)
    """whether the head is trained first, with the backbone frozen"""
    folds: tuple[int, ...] = (1, 2, 3, 4, 5)
    """the folds, 1..5"""
    seeds: tuple[int, ...] = (0,)
    """seeds of the runs; each seed is one more repetition of the whole grid"""
    preprocessings: tuple[Literal["native", "paper"], ...] = ("native",)
    """native: the input normalisation of the initial weights; paper: BGR minus the ImageNet mean for all"""
    recipes: Fixed[tuple[dict[str, Any], ...]] = ({},)
    """settings of TrainConfig that vary together; each recipe needs its own `tag`"""

    # The settings of every run
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    """settings shared by all runs, except those that the grid varies"""
    overrides: Fixed[dict[str, dict[str, Any]]] = dataclasses.field(default_factory=dict)
    """settings of TrainConfig for single tasks, by task: data_dir, image_size, ..."""
    pretrain: Fixed[tuple[TrainConfig, ...]] = ()
    """runs for pre-training, which are trained first; their networks are initialisations, named by their data set"""

    # The comparisons
    protocols: tuple[Literal["paper", "full"], ...] = ("paper", "full")
    """protocols for the comparison of hidden representations; if empty, nothing is compared"""
    measures: tuple[str, ...] = ("cca", "debiased_cka")
    """similarity measures for the comparison (files of tljax/similarity)"""

    # How it runs
    workdir: Path = Path("study")
    """the folder for runs, comparisons and tables; an interrupted study continues there"""
    keep: Literal["best", "none"] = "best"
    """best: keep the weights of each run; none: remove them after the comparisons, which then cannot be extended"""
    only: str = ""
    """run only a part of the grid: a task, init, freeze, nofreeze, fold<k>, seed<n>, tag, e.g. 'breast,fold1'"""
    dry_run: bool = False
    """print the grid and an estimate of time and disk, and stop"""
    launcher: Literal["local", "slurm"] = "local"
    """local: worker processes on this machine, one or more per GPU, or on the CPU; slurm: job arrays"""
    per_device: int | Literal["auto"] = 1
    """local launcher: worker processes that share a GPU or the CPU; auto: as many as raise the throughput"""
    slurm: SlurmConfig = SlurmConfig()

    def __post_init__(self) -> None:
        if self.inits == "shortlist":  # so that a config file need not write a tuple of one value
            object.__setattr__(self, "inits", ("shortlist",))
