"""The settings of `tljax datasets`."""

import dataclasses
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


@dataclasses.dataclass(frozen=True)
class DatasetsConfig:
    """List the data sets, or check one: counts, sizes, duplicates, folds and leakage between their parts.

    `tljax datasets get NAME` downloads the archive of a data set.
    """

    name: Annotated[Positional[str | None], arg(metavar="[NAME]")] = None
    """the data set to check; without it, all data sets are listed"""
    data_dir: Path | None = None
    """its archive or the unpacked folder"""
    folds_dir: Path | None = None
    """check these published fold lists instead of tljax's folds"""
    image_size: int | None = None
    """side of the images in pixels; default the task's size"""
    figure: Path | None = None
    """draw a contact sheet, with one row of images per class, to this PNG file"""
    group_duplicates: bool = False
    """keep duplicate images in the same part of a fold, instead of reporting them as leaks"""
    out: Path | None = None
    """write every pair of duplicates, and every leak between the parts of a fold, to this CSV file"""
    skip_bad: bool = False
    """leave out unreadable images and record their names, instead of stopping"""
    cache_dir: Path | None = None
    """prepared images; default $TLJAX_CACHE, then ~/.cache/tljax"""
