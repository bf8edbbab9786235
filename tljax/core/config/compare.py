"""The settings of `tljax compare`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


@dataclasses.dataclass(frozen=True)
class CompareConfig:
    """Compare how networks represent the images of a task, layer by layer."""

    networks: Annotated[Positional[tuple[str, ...]], arg(metavar="NETWORK NETWORK ...")]
    """two or more names that `tljax weights list` shows | random | random:SEED | weights folders | run folders"""
    dataset: str = "phantom"
    """the task whose images the networks are run on"""
    split: Literal["test", "val", "train", "all"] = "test"
    """the part of the fold whose images are used, or all images"""
    fold: int = 1
    """the fold, 1..5"""
    protocol: Literal["paper", "full"] = "full"
    """paper: 64 channels and about 10,000 positions drawn five times; full: all channels of all images"""
    measures: tuple[str, ...] = ("cca", "debiased_cka")
    """names of measures (files of tljax/similarity), or all"""
    layers: Literal["named", "all"] = "named"
    """named: main layers (of a ResNet, conv1 and the stages), each with its counterpart; all: every pair of blocks"""
    pool: Literal["none", "gap"] = "none"
    """none: each position of an image is a sample; gap: each image is a sample, averaged over its positions"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: the input normalisation of each network's own pre-training; paper: BGR minus the ImageNet mean for all"""
    backbone: str | None = None
    """architecture of random networks; default that of the first other network, else resnet50"""
    variant: str | None = None
    """variant of random networks; default that of the first other network, else keras_v1"""
    out: Path | None = None
    """write the table to this CSV file, a figure next to it (.png) and, with --protocol paper, CCA_<dataset>.csv"""
    batch_size: int = 32
    seed: int = 0
    """seed of the random draws: blocks of images, and the images and channels of the paper's protocol"""
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    folds_dir: Path | None = None
    """published fold lists: <task>/{train,val,test}_fold<k>.csv"""
    folds: Literal["paper", "grouped", "honest"] = "paper"
    """the rule for folds without --folds-dir (honest is the old name of grouped)"""
    group_duplicates: bool = False
    """keep duplicate images in the same part of a fold"""
    weights_dir: Path | None = None
    """the folder of converted weights, one folder per name; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights"""
    cache_dir: Path | None = None
    """prepared images; default $TLJAX_CACHE, then ~/.cache/tljax"""
    image_size: int | None = None
    """side of the images in pixels; default the task's size"""
