"""What the analysis left out, and what the runs cannot show. `tljax.report.wording.notes` has the sentences."""

from dataclasses import dataclass

from tljax.report.analysis.conditions import Arm


@dataclass(frozen=True)
class Unreadable:
    """A file of the study that cannot be read; the message names it."""

    message: str


@dataclass(frozen=True)
class PreTraining:
    """A run from which other runs start. It is not compared with them."""

    place: str


@dataclass(frozen=True)
class Repeated:
    """A run that is left out because another one, which is kept, has the same condition, fold and seed."""

    place: str
    kept: str


@dataclass(frozen=True)
class TablesNotWritten:
    """The study has comparisons but no results/representations.csv yet."""


@dataclass(frozen=True)
class OtherClasses:
    """Runs whose classes differ from those of the first run of the task."""

    count: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class TooFewFolds:
    """An initialisation that shares too few folds with the others to be compared."""

    arm: Arm


@dataclass(frozen=True)
class MissingFolds:
    """Folds that other initialisations of the task finished and this one did not."""

    arm: Arm
    folds: tuple[int, ...]


@dataclass(frozen=True)
class AbsentClasses:
    """Classes of which a test fold has no image."""

    inits: tuple[str, ...]
    """The initialisations whose test images these are."""
    fold: int
    classes: tuple[str, ...]
    undefined: bool
    """Whether the AUC is undefined for that reason; otherwise it leaves the classes out."""


@dataclass(frozen=True)
class UnknownGroups:
    """The task does not say which images belong to one patient (lesion, slide)."""

    group: str


@dataclass(frozen=True)
class OneFold:
    """The task has one finished fold."""


@dataclass(frozen=True)
class OneSeed:
    """All runs of the task have the same seed."""


Note = (
    Unreadable
    | PreTraining
    | Repeated
    | TablesNotWritten
    | OtherClasses
    | TooFewFolds
    | MissingFolds
    | AbsentClasses
    | UnknownGroups
    | OneFold
    | OneSeed
)
