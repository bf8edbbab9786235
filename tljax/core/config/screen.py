"""The settings of `tljax screen`."""

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclasses.dataclass(frozen=True)
class ScreenConfig:
    """Which pre-trained networks are worth fine-tuning on a task, judged by their frozen features in minutes."""

    networks: Positional[tuple[str, ...]] = ()
    """imagenet | radimagenet | random | random:SEED | a converted weights folder | a run folder; default all weights in
    --weights-dir. Random weights of each architecture are added to whatever is named"""
    dataset: str = "phantom"
    """a task that `tljax datasets` lists"""
    out: Path = Path("screening")
    """the tables are written here: screen.csv, shortlist.csv, layers.csv, redundancy.csv, efficiency.csv,
    equivalence.csv, duplicates.csv, cost.csv"""
    keep: int = 3
    """candidates in the shortlist, at most"""

    # Locations
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    folds_dir: Path | None = None
    """published fold lists: <task>/{train,val,test}_fold<k>.csv"""
    weights_dir: Path | None = None
    """holds imagenet/, radimagenet/ and others; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights"""
    cache_dir: Path | None = None
    """prepared images and kept features; default $TLJAX_CACHE, then ~/.cache/tljax"""

    # The data
    folds: Literal["paper", "grouped", "honest"] = "paper"
    """rule of our own folds (honest: old name of grouped)"""
    group_duplicates: bool = False
    """keep images of one picture in the same part of our own folds, as tljax.datasets finds them"""
    image_size: int | None = None
    """pixels; default the paper's size for the task"""
    skip_bad: bool = False
    """leave unreadable images out instead of stopping"""

    # What is computed
    scores: tuple[str, ...] = ("all",)
    """of the files of tljax/screen/scores; the shortlist needs linear_probe, nleep and logme, which are always there"""
    efficiency: bool = True
    """the probe at 10, 25 and 50 % of the training images as well"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: as each network's weights were trained; paper: BGR minus the ImageNet mean for all of them"""
    backbone: str = "resnet50"
    """of a random network, where no other is there"""
    variant: str | None = None
    """of a random network, where no other is there; default the first of its family"""
    precision: Literal["float32", "bfloat16"] | None = None
    """of the forward passes; default bfloat16 on GPU and TPU, float32 on CPU; features are float32 either way"""
    batch_size: int = 32
    seed: int = 0
    """of inner folds, draws, and random weights"""
    quiet: bool = False
    """no progress display"""
