"""The settings of `tljax predict`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """Predict the class probabilities of images with a run or with converted weights."""

    network: Annotated[Positional[str], arg(metavar="NETWORK")]
    """a name that `tljax weights list` shows | a weights folder | a run folder; it must have a classification head"""
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGE_OR_FOLDER ...")]
    """image files, or folders of image files"""
    out: Path | None = None
    """write all probabilities to this CSV file"""
    top: int = 3
    """number of classes to show for each image"""
    image_size: int | None = None
    """side of the images in pixels; default the run's size, else 224"""
    resize: Literal["squash", "crop"] | None = None
    """squash: resize to a square, as in training (default for runs); crop: cut out the centre (default for weights)"""
    batch_size: int = 32
    skip_bad: bool = False
    """leave out unreadable images instead of stopping"""
    weights_dir: Path | None = None
    """the folder of converted weights, one folder per name; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights"""
