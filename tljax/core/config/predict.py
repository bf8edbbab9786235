"""The settings of `tljax predict`."""

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """Class probabilities of images, by a run or by converted weights."""

    network: Positional[str]
    """imagenet | radimagenet | a converted weights folder | a run folder"""
    images: Positional[tuple[Path, ...]]
    """image files, or folders of them"""
    out: Path | None = None
    """write all probabilities to this CSV file"""
    top: int = 3
    """classes shown for each image"""
    image_size: int | None = None
    """pixels; default the run's own, else 224"""
    resize: Literal["squash", "crop"] | None = None
    """squash: nearest pixel to a square, as in training; crop: the centre of the image scaled to 8/7 of the size, as
    ImageNet weights are tested. Default squash for runs, crop for weights"""
    batch_size: int = 32
    skip_bad: bool = False
    """leave unreadable images out instead of stopping"""
    weights_dir: Path | None = None
    """holds imagenet/ and radimagenet/"""
