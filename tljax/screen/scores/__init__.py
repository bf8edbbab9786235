"""Transferability scores, one file each, found by name: how promising are frozen features for a task?

A score is a file with a function `score(features, labels, ...) -> Score`, a function `bounds(classes)` and a `TITLE`.
Features are `n d` of any float type, labels class numbers `n`. What more it needs, it names as keyword arguments:

    folds         cross-validation folds; the score is then fitted and tested on each, else computed on training images
    groups        what must stay together, one number per image
    source        probabilities of the classes that the network was trained on, `n s`
    pretraining   images that the network was trained on; None where unknown

More is better in all of them. No score here has been shown to choose between architectures (benchmarks/screening.py).
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
    """A figure, with its values by fold where it has any, and what else is worth knowing about it."""

    value: float
    folds: tuple[float, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def names() -> list[str]:
    """Returns the scores there are, in the order of their names."""
    return sorted(_modules())


def named(name: str) -> ModuleType:
    """Returns the module of a score. Raises UserError that lists those there are."""
    if name not in _modules():
        raise UserError(f"there is no score {name!r}; there are {', '.join(names())}")
    return _modules()[name]


def needs(name: str) -> tuple[str, ...]:
    """Returns the keyword arguments that a score wants."""
    parameters = inspect.signature(named(name).score).parameters.values()
    return tuple(each.name for each in parameters if each.kind == each.KEYWORD_ONLY)


@cache
def _modules() -> dict[str, ModuleType]:
    return plugins.find(__name__, __path__)


def checked(features: Float[np.ndarray, "n d"], labels: Labels) -> Float[np.ndarray, "n d"]:
    """Returns the features in float64, the same array where they are; not to be changed in place.

    Raises UserError where a value is not finite, fewer than two classes are present, or all features are constant.
    """
    if not np.isfinite(features).all():
        broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise UserError(f"the features of {len(broken)} of {len(features)} images hold NaN or infinity")
    if len(np.unique(labels)) < 2:
        raise UserError(f"all {len(labels)} images are of one class: there is nothing to distinguish")
    if (features == features[:1]).all():
        raise UserError("all images have the same features: there is nothing to distinguish them by")
    return features.astype(np.float64, copy=False)
