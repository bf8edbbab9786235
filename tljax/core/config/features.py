"""The settings of `tljax features`."""

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclasses.dataclass(frozen=True)
class FeaturesConfig:
    """The features of images, by any network, as a NumPy file."""

    network: Positional[str]
    """imagenet | radimagenet | random | random:SEED | a converted weights folder | a run folder"""
    images: Positional[tuple[Path, ...]] = ()
    """image files, or folders of them; or a task with --dataset"""
    out: Path = Path("features.npz")
    """this file: `features` (n c, float32) and `files`, with --dataset `labels`, with --layers `layer:<name>`"""
    dataset: str | None = None
    """a task that `tljax datasets` lists, instead of image files"""
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    layers: str = ""
    """layers to write as well, averaged over positions: names with commas between them, or named, or all"""
    image_size: int | None = None
    """pixels; default the task's size, or a run's own, else 224"""
    resize: Literal["squash", "crop"] | None = None
    """of image files. squash: nearest pixel to a square, as in training; crop: the centre of the image scaled to 8/7 of
    the size, as ImageNet weights are tested. Default squash for runs, crop for weights"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: as the weights were trained; paper: BGR minus the ImageNet mean"""
    backbone: str = "resnet50"
    """of a random network"""
    variant: str | None = None
    """of a random network"""
    precision: Literal["float32", "bfloat16"] | None = None
    """of the computation; default bfloat16 on GPU and TPU, float32 on CPU; features are float32 either way"""
    batch_size: int = 32
    skip_bad: bool = False
    """leave unreadable images out instead of stopping"""
    weights_dir: Path | None = None
    """holds imagenet/ and radimagenet/"""
    cache_dir: Path | None = None
    """prepared images and kept features; default $TLJAX_CACHE, then ~/.cache/tljax"""
