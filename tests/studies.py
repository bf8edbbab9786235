"""Small studies of the embedded data, for the tests."""

from pathlib import Path
from typing import Any

from tljax.config import StudyConfig, TrainConfig

TINY = TrainConfig(backbone="resnet_tiny", image_size=32, epochs=1, augment="none")


def phantom_study(workdir: Path, **settings: Any) -> StudyConfig:
    """Two folds from random initialisation, but for `settings`."""
    defaults = {"tasks": ("phantom",), "inits": ("random",), "freezes": (False,), "folds": (1, 2), "train": TINY}
    return StudyConfig(workdir=workdir, **defaults | settings)
