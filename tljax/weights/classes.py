"""Names the classes of a head."""

import csv
from importlib import resources

from tljax.weights.files import Source
from tljax.weights.match import Match

IMAGENET = 1000  # classes


def imagenet_classes() -> tuple[str, ...]:
    """Returns the 1000 classes in the order of every ImageNet head.

    Two names occur twice; their WordNet ids are added to them.
    """
    text = resources.files("tljax.weights").joinpath("imagenet_classes.csv").read_text()
    return tuple(row["name"] for row in csv.DictReader(text.splitlines()))


def classes_of(source: Source, match: Match, outputs: int) -> tuple[tuple[str, ...] | None, list[str]]:
    """Returns the class names of a head with this many outputs, and what was assumed.

    outputs: 0 if the file has no head; the names are then None.
    """
    if source.card is not None or not outputs:
        return (source.card.classes if source.card and outputs else None), []
    if outputs == IMAGENET and match.has_head:
        return imagenet_classes(), [f"the {outputs} outputs are assumed to be ImageNet's classes, in the usual order"]
    names = tuple(f"class {index}" for index in range(outputs))
    return names, [f"the file does not name its classes, so they are called 'class 0' to 'class {outputs - 1}'"]
