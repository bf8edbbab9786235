"""The settings of `tljax predict`."""

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """Predict the class probabilities of images with a run or with converted weights."""

    network: Positional[str]
    """a name that `tljax weights list` shows | a weights folder | a run folder; it must have a classification head"""
    images: Positional[tuple[Path, ...]]
    """image files, or folders of image files"""
    out: Path | None = None
    """write all probabilities to this CSV file"""
    top: int = 3
    """number of classes to show for each image"""
    image_size: int | None = None
    """side of the images in pixels; default the run's size, else 224"""
    resize: Literal["squash", "crop"] | None = None
    """squash: resize to a square by the nearest pixel, as in training; crop: scale the shorter side to 8/7 of the size
    and take the centre, as ImageNet weights are tested. Default squash for runs, crop for weights"""
    batch_size: int = 32
    skip_bad: bool = False
    """leave out unreadable images instead of stopping"""
    weights_dir: Path | None = None
    """the folder of converted weights, one folder per name; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights"""
