"""The settings of `tljax features`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


@dataclasses.dataclass(frozen=True)
class FeaturesConfig:
    """Write the features that a network computes from images, as a NumPy file."""

    network: Annotated[Positional[str], arg(metavar="NETWORK")]
    """a name that `tljax weights list` shows | random | random:SEED | a weights folder | a run folder"""
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="[IMAGE_OR_FOLDER ...]")] = ()
    """image files, or folders of image files; or name a task with --dataset"""
    out: Path = Path("features.npz")
    """the file to write: `features` (n c, float32), `files`, with --dataset `labels`, with --layers `layer:<name>`"""
    dataset: str | None = None
    """a task that `tljax datasets` lists, instead of image files"""
    data_dir: Path | None = None
    """the task's archive or its unpacked folder"""
    layers: str = ""
    """further layers to write, averaged over positions: names separated by commas, or named, or all"""
    image_size: int | None = None
    """side of the images in pixels; default the task's or the run's size, else 224"""
    resize: Literal["squash", "crop"] | None = None
    """for image files. squash: resize to a square (default for runs); crop: cut out the centre (default for weights)"""
    preprocessing: Literal["native", "paper"] = "native"
    """native: the input normalisation of the weights' own pre-training; paper: BGR minus the ImageNet mean"""
    backbone: str = "resnet50"
    """architecture of a random network"""
    variant: str | None = None
    """variant of a random network"""
    precision: Literal["float32", "bfloat16"] | None = None
    """precision of the computation; default bfloat16 on GPU and TPU, float32 on CPU; features are always float32"""
    batch_size: int = 32
    skip_bad: bool = False
    """leave out unreadable images instead of stopping"""
    weights_dir: Path | None = None
    """the folder of converted weights, one folder per name; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights"""
    cache_dir: Path | None = None
    """the folder of prepared images and saved features; default $TLJAX_CACHE, then ~/.cache/tljax"""
