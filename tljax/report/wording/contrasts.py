"""What the two values of an axis are called."""

from dataclasses import dataclass

from tljax.report.analysis.conditions import FREEZE, PREPROCESSING, Axis


@dataclass(frozen=True)
class Ways:
    """The two values of an axis for a reader."""

    names: tuple[str, str]
    meanings: tuple[str, str]


WAYS: dict[Axis, Ways] = {
    PREPROCESSING: Ways(
        ("native preprocessing", "paper preprocessing"),
        ("images normalised as each network was pre-trained", "the paper's normalisation for every network"),
    ),
    FREEZE: Ways(
        ("head first", "all layers at once"),
        ("the head trained first on the frozen backbone, then all layers", "all layers trained from the start"),
    ),
}
