"""What distinguishes the runs of a task: their initialisation and the condition under which they were trained."""

from dataclasses import dataclass
from typing import Any

from tljax.core.runs import SEED_TAG


@dataclass(frozen=True, order=True)
class Condition:
    """The settings that two initialisations must share to be compared."""

    freeze: bool
    preprocessing: str
    tag: str
    """The recipe, as in the run folder's name; empty if the study has one recipe."""
    train: str = "all"
    """The layers that are trained (after the head, with `freeze`), as the run recorded it: all, head or last10."""


@dataclass(frozen=True, order=True)
class Arm:
    """One initialisation under one condition. Folds and seeds repeat it."""

    init: str
    condition: Condition


@dataclass(frozen=True)
class Axis:
    """A setting of `Condition` in which the runs of one initialisation may differ, and the two values to compare."""

    setting: str
    values: tuple[Any, Any]


PREPROCESSING = Axis("preprocessing", ("native", "paper"))
FREEZE = Axis("freeze", (True, False))


def without_seed(tag: str) -> list[str]:
    """Returns the parts of a run folder's tag other than the seed, over which results are pooled."""
    return [part for part in tag.split("-") if part and not SEED_TAG.fullmatch(part)]


def recipe_of(tag: str, preprocessing: str) -> str:
    """Returns the recipe in a run folder's tag: without the seed and the preprocessing."""
    return "-".join(part for part in without_seed(tag) if part != preprocessing)
