"""The settings of `tljax study`."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Fixed

from tljax.core.config.training import TrainConfig


@dataclasses.dataclass(frozen=True)
class SlurmConfig:
    """What each job of a SLURM cluster is given; passed on to sbatch."""

    partition: str | None = None
    gres: str | None = None
    """e.g. gpu:1"""
    minutes: int = 720
    """of a job; a run that is unfinished by then continues in another one"""
    memory: str | None = None
    """e.g. 32G"""
    cpus: int | None = None
    parallel: int = 64
    """jobs at a time, at most"""
    pack: int = 1
    """runs that share a job and its devices, each with its share of their memory; for small data sets, e.g. 4"""


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """A grid of fine-tunings, every comparison between them, and the tables of both.

    The grid is tasks x folds x seeds x preprocessings x recipes x inits x freezes; a random backbone is never frozen.
    """

    # The grid
    tasks: tuple[str, ...] = ("phantom",)
    """data sets that `tljax datasets` lists"""
    inits: tuple[str, ...] = ("imagenet", "radimagenet", "random")
    """as --init of tljax.train, or the data set of one of the `pretrain` runs; shortlist alone: those that the
    screening of each task keeps, out of all weights in train.weights_dir and random ones"""
    screen: bool = False
    """judge the initialisations of each task by their frozen features first; the tables are in screening/<task>/"""
    freezes: tuple[bool, ...] = (False, True)
    """whether the head is trained first, on the frozen backbone"""
    folds: tuple[int, ...] = (1, 2, 3, 4, 5)
    seeds: tuple[int, ...] = (0,)
    preprocessings: tuple[Literal["native", "paper"], ...] = ("native",)
    recipes: Fixed[tuple[dict[str, Any], ...]] = ({},)
    """settings of TrainConfig that vary together, each recipe with a `tag` of its own"""

    # The settings of every run
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    """shared by all runs, except for what the grid says"""
    overrides: Fixed[dict[str, dict[str, Any]]] = dataclasses.field(default_factory=dict)
    """settings of TrainConfig for one task alone, by task: data_dir, image_size, ..."""
    pretrain: Fixed[tuple[TrainConfig, ...]] = ()
    """runs that come first and whose networks are initialisations, named by their data set"""

    # The comparisons
    protocols: tuple[Literal["paper", "full"], ...] = ("paper", "full")
    """how hidden representations are compared; none: not at all"""
    measures: tuple[str, ...] = ("cca", "debiased_cka")

    # How it runs
    workdir: Path = Path("study")
    """holds run folders, comparisons and tables; an interrupted study continues"""
    keep: Literal["best", "none"] = "best"
    """which weights of a run stay after its comparisons: those of its best epoch, or none. With none, no comparison
    (protocol, measure, initialisation) can be added later"""
    only: str = ""
    """of the grid, e.g. 'breast,imagenet,fold1': words are tasks, inits, freeze, nofreeze, fold<k>, seed<n> or tags"""
    dry_run: bool = False
    """print the grid and an estimate of time and disk, and stop"""
    launcher: Literal["local", "slurm"] = "local"
    """local: worker processes on this machine, for each GPU or on CPU; slurm: job arrays"""
    per_device: int | Literal["auto"] = 1
    """worker processes that share a GPU, or the CPU, with the local launcher; auto: as many as raise the throughput"""
    slurm: SlurmConfig = SlurmConfig()

    def __post_init__(self) -> None:
        if self.inits == "shortlist":  # reads better in a config file than a row of one
            object.__setattr__(self, "inits", ("shortlist",))
