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
    """of a job; a run that is unfinished by then goes on in another one"""
    memory: str | None = None
    """e.g. 32G"""
    cpus: int | None = None
    parallel: int = 64
    """jobs at a time, at most"""


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """A grid of fine-tunings, every comparison between them, and the tables of both.

    The grid is tasks x folds x seeds x preprocessings x recipes x inits x freezes; a random backbone is never frozen.
    """

    # The grid
    tasks: tuple[str, ...] = ("phantom",)
    """data sets that `python -m tljax.datasets` lists"""
    inits: tuple[str, ...] = ("imagenet", "radimagenet", "random")
    """as --init of tljax.train, or the data set of one of the `pretrain` runs"""
    freezes: tuple[bool, ...] = (False, True)
    """whether the head is trained first, on the frozen backbone"""
    folds: tuple[int, ...] = (1, 2, 3, 4, 5)
    seeds: tuple[int, ...] = (0,)
    preprocessings: tuple[Literal["native", "paper"], ...] = ("native",)
    recipes: Fixed[tuple[dict[str, Any], ...]] = ({},)
    """settings of TrainConfig that vary together, each recipe with a `tag` of its own"""

    # The settings of every run
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    """shared by all runs, but for what the grid says"""
    overrides: Fixed[dict[str, dict[str, Any]]] = dataclasses.field(default_factory=dict)
    """settings of TrainConfig that one task has for itself, by task: data_dir, image_size, ..."""
    pretrain: Fixed[tuple[TrainConfig, ...]] = ()
    """runs that come first, and whose networks are initialisations, named by their data set"""

    # The comparisons
    protocols: tuple[Literal["paper", "full"], ...] = ("paper", "full")
    """how hidden representations are compared; without a name, not at all"""
    measures: tuple[str, ...] = ("cca", "debiased_cka")

    # How it is run
    workdir: Path = Path("study")
    """run folders, comparisons and tables are made here; a study that was interrupted goes on"""
    keep: Literal["best", "none"] = "best"
    """what stays of a run's weights once it is compared: those of its best epoch, or nothing, and then no comparison
    (protocol, measure, initialisation) can be added later"""
    only: str = ""
    """of the grid, e.g. 'breast,imagenet,fold1': words are tasks, inits, freeze, nofreeze, fold<k>, seed<n> or tags"""
    dry_run: bool = False
    """print the grid and what it will take, and stop"""
    launcher: Literal["local", "slurm"] = "local"
    """local: one worker process for each GPU, or one on CPU; slurm: job arrays"""
    slurm: SlurmConfig = SlurmConfig()
