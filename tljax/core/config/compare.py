"""The settings of `tljax compare`."""

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclasses.dataclass(frozen=True)
class CompareConfig:
    """How alike networks represent the images of a task, layer by layer."""

    networks: Positional[tuple[str, ...]]
    """two or more of: imagenet | radimagenet | random | random:SEED | a converted weights folder | a run folder"""
    dataset: str = "phantom"
    """the task whose images the networks are shown"""
    split: Literal["test", "val", "train", "all"] = "test"
    """of the fold, or all images"""
    fold: int = 1
    """1..5"""
    protocol: Literal["paper", "full"] = "full"
    """paper: 64 channels and about 10,000 positions drawn five times; full: all channels of all images"""
    measures: tuple[str, ...] = ("cca", "debiased_cka")
    """any of the files of tljax/similarity that are measures, or all"""
    layers: Literal["named", "all"] = "named"
    """named: conv1 and the four stages, each with its like; all: every block with every block"""
    pool: Literal["none", "gap"] = "none"
    """none: each position of an image is a sample; gap: each image is one, averaged over its positions"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: as each network's weights were trained; paper: BGR minus the ImageNet mean for all of them"""
    backbone: str | None = None
    """of random networks; default that of the first of the others, else resnet50"""
    variant: str | None = None
    """of random networks; default that of the first of the others, else keras_v1"""
    out: Path | None = None
    """write the table to this CSV file, next to it a figure (.png) and, by the paper's protocol, CCA_<dataset>.csv"""
    batch_size: int = 32
    seed: int = 0
    """of what is drawn: blocks of images, and the paper's images and channels"""
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    folds_dir: Path | None = None
    """published fold lists: <task>/{train,val,test}_fold<k>.csv"""
    folds: Literal["paper", "grouped", "honest"] = "paper"
    """rule of our own folds (honest: old name of grouped)"""
    group_duplicates: bool = False
    """keep images of one picture in the same part of our own folds"""
    weights_dir: Path | None = None
    """holds imagenet/ and radimagenet/"""
    cache_dir: Path | None = None
    """prepared images; default $TLJAX_CACHE, then ~/.cache/tljax"""
    image_size: int | None = None
    """pixels; default the paper's size for the task"""
