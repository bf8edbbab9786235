"""The settings of `tljax datasets`."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional


@dataclasses.dataclass(frozen=True)
class DatasetsConfig:
    """The data sets there are, or one of them checked: counts, sizes, duplicates, folds and what leaks between them."""

    name: Positional[str | None] = None
    """the data set to check; without it, all are listed"""
    data_dir: Path | None = None
    """its archive or the unpacked folder"""
    folds_dir: Path | None = None
    """check these published fold lists instead of our own folds"""
    image_size: int | None = None
    """pixels; default the paper's size for the task"""
    figure: Path | None = None
    """draw a contact sheet, a row of images a class, to this PNG file"""
    group_duplicates: bool = False
    """keep images of one picture in the same part of our own folds, instead of reporting them as leaks"""
    out: Path | None = None
    """write every pair of duplicates, and what leaks between the parts of which fold, to this CSV file"""
    skip_bad: bool = False
    """leave unreadable images out, and record them, instead of stopping"""
    cache_dir: Path | None = None
    """prepared images; default $TLJAX_CACHE, then ~/.cache/tljax"""
