"""The thyroid images of the RadImageNet authors: the cases of DDTI that have a TI-RADS grade."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tljax.datasets.dataset import Card, Example
from tljax.datasets.tasks import thyroid

CARD: Card = replace(
    thyroid.CARD,
    name="rad_thyroid",
    title="Graded thyroid nodules (RadImageNet replication)",
    images=349,
    image_size=256,
)


def examples(archive: Path) -> Iterator[Example]:
    return (example for example, grade in thyroid.graded_examples(archive) if grade)
