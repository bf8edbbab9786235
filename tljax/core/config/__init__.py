"""Holds every setting of every command, with its default; one file per command."""

from tljax.core.config.compare import CompareConfig
from tljax.core.config.datasets import DatasetsConfig
from tljax.core.config.features import FeaturesConfig
from tljax.core.config.parsing import load_config, parse, to_json
from tljax.core.config.predict import PredictConfig
from tljax.core.config.screen import ScreenConfig
from tljax.core.config.study import SlurmConfig, StudyConfig
from tljax.core.config.training import DISPLAY_AND_PROCESSES, INCIDENTAL, TrainConfig, completed

__all__ = [
    "DISPLAY_AND_PROCESSES",
    "INCIDENTAL",
    "CompareConfig",
    "DatasetsConfig",
    "FeaturesConfig",
    "PredictConfig",
    "ScreenConfig",
    "SlurmConfig",
    "StudyConfig",
    "TrainConfig",
    "completed",
    "load_config",
    "parse",
    "to_json",
]
