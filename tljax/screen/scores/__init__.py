"""Computes transferability scores, which predict from frozen features how well a network can be fine-tuned for a task.

Each score is one file, found by its name, with a function `score(features, labels, ...) -> Score`, a function
`bounds(classes)` and a `TITLE`. Features are `n d` of any float type, labels are class numbers `n`. A score names
further inputs as keyword-only arguments:

    folds         cross-validation folds, on each of which the score is fitted and tested; without this argument, the
                  score is computed on the training images of each fold
    groups        one number per image; images with the same number stay together
    source        probabilities of the classes that the network was trained on, `n s`
    pretraining   number of images that the network was trained on; None if unknown

Higher is better in all scores. No score has been shown to choose between architectures (benchmarks/screening.py).
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from tljax.core import plugins
from tljax.core.errors import UserError
from tljax.screen.geometry import Labels


@dataclass(frozen=True)
class Score:
    """The value of a score, its values by fold if it uses folds, and further details by name."""

    value: float
    folds: tuple[float, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def names() -> list[str]:
    """Returns the names of all scores in alphabetical order."""
    return sorted(_modules())


def named(name: str) -> ModuleType:
    """Returns the module of a score. Raises UserError, which lists all scores, for an unknown name."""
    if name not in _modules():
        raise UserError(f"there is no score {name!r}; known are {', '.join(names())}")
    return _modules()[name]


def needs(name: str) -> tuple[str, ...]:
    """Returns the keyword-only arguments that a score needs."""
    parameters = inspect.signature(named(name).score).parameters.values()
    return tuple(each.name for each in parameters if each.kind == each.KEYWORD_ONLY)


@cache
def _modules() -> dict[str, ModuleType]:
    return plugins.find(__name__, __path__)


def checked(features: Float[np.ndarray, "n d"], labels: Labels) -> Float[np.ndarray, "n d"]:
    """Returns the features as float64, without a copy if possible; do not change them in place.

    Raises UserError if a value is not finite, fewer than two classes are present, or all images have equal features.
    """
    if not np.isfinite(features).all():
        broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise UserError(f"the features of {len(broken)} of {len(features)} images hold NaN or infinity")
    if len(np.unique(labels)) < 2:
        raise UserError(f"all {len(labels)} images have one class, so there is nothing to classify")
    if (features == features[:1]).all():
        raise UserError("all images have the same features, so no classifier can distinguish them")
    return features.astype(np.float64, copy=False)
