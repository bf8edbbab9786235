"""Your own images as in `folder`, where the inner folders are the classes, whatever the outer ones are."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tljax.datasets.dataset import Card, Example
from tljax.datasets.tasks import folder

TITLE = "Your own images, classes in the inner folders (--data-dir DIR)"
CARD: Card = replace(folder.CARD, name="folder-inner", title=TITLE, version=1)


def examples(archive: Path) -> Iterator[Example]:
    """Yields the images of a folder."""
    return folder.examples(archive, "inner")
