"""Provides what the steps train on: real breast images, fold lists and weights if present, else generated ones."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt8

PACKED = Path(os.environ.get("TLJAX_GPU_DATA", ".gpu"))  # breast/, folds/, imagenet_resnet50.pth
WEIGHTS = Path(os.environ.get("TLJAX_CACHE", "/tmp/tljax-gpu")) / "weights"


def has_images() -> bool:
    """Returns whether the real images and their fold lists are there."""
    return (PACKED / "breast").is_dir() and (PACKED / "folds" / "breast").is_dir()


def settings(toy: bool) -> dict[str, Any]:
    """Returns the data of a run, as fields of `TrainConfig`."""
    if toy or not has_images():
        return {"dataset": "phantom"}
    return {"dataset": "breast", "data_dir": PACKED / "breast", "folds_dir": PACKED / "folds"}


def network(toy: bool) -> dict[str, Any]:
    """Returns the network of a run, as fields of `TrainConfig`."""
    return {"backbone": "resnet_tiny", "variant": "torch_v1.5"} if toy else {}


def imagenet() -> Path | None:
    """Returns the folder that holds `imagenet/`, converted if necessary; None without a checkpoint."""
    checkpoint = PACKED / "imagenet_resnet50.pth"
    if (WEIGHTS / "imagenet").is_dir():
        return WEIGHTS
    if not checkpoint.is_file():
        return None
    from tljax import weights

    conversion = weights.convert(checkpoint)
    weights.save(WEIGHTS / "imagenet", conversion.tensors, conversion.card)
    return WEIGHTS


def pixels(count: int, size: int) -> tuple[UInt8[np.ndarray, "n h w 3"], Int32[np.ndarray, " n"]]:
    """Random images and labels of two classes."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8), rng.integers(0, 2, count, dtype=np.int32)
