"""The settings of `tljax screen`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


@dataclasses.dataclass(frozen=True)
class ScreenConfig:
    """Rank pre-trained networks for a task by their frozen features, and propose a shortlist to fine-tune."""

    networks: Annotated[Positional[tuple[str, ...]], arg(metavar="[NETWORK ...]")] = ()
    """names from `tljax weights list`, weights folders or runs; default all in --weights-dir. random is always added"""
    dataset: str = "phantom"
    """a task that `tljax datasets` lists"""
    out: Path = Path("screening")
    """the folder for the tables: screen.csv, shortlist.csv, layers.csv and others"""
    keep: int = 3
    """largest number of candidates in the shortlist"""

    # Locations
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    folds_dir: Path | None = None
    """published fold lists: <task>/{train,val,test}_fold<k>.csv"""
    weights_dir: Path | None = None
    """the folder of converted weights, one folder per name; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights"""
    cache_dir: Path | None = None
    """the folder of prepared images and saved features; default $TLJAX_CACHE, then ~/.cache/tljax"""

    # The data
    folds: Literal["paper", "grouped", "honest"] = "paper"
    """the rule for folds without --folds-dir (honest is the old name of grouped)"""
    group_duplicates: bool = False
    """keep duplicate images in the same part of a fold; `tljax datasets` shows the duplicates"""
    image_size: int | None = None
    """side of the images in pixels; default the task's size"""
    skip_bad: bool = False
    """leave out unreadable images instead of stopping"""

    # What is computed
    scores: tuple[str, ...] = ("all",)
    """names of scores (files of tljax/screen/scores), or all; linear_probe, nleep and logme are always computed"""
    efficiency: bool = True
    """also run the probe on 10, 25 and 50 % of the training images"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: the input normalisation of each network's own pre-training; paper: BGR minus the ImageNet mean for all"""
    backbone: str = "resnet50"
    """architecture of the random network, if there is no other network"""
    variant: str | None = None
    """variant of the random network, if there is no other network; default the first of its family"""
    precision: Literal["float32", "bfloat16"] | None = None
    """precision of the forward passes; default bfloat16 on GPU and TPU, float32 on CPU; features are always float32"""
    batch_size: int = 32
    seed: int = 0
    """seed of the inner folds, of the draws of training images, and of random networks"""
    quiet: bool = False
    """show no progress"""
