"""Histopathology textures (KIMIA Path960): twenty tissues, each a letter, with forty-eight patches each."""

import re
from collections.abc import Iterator
from pathlib import Path

from tljax.core.errors import UserError
from tljax.datasets.dataset import Card, Example
from tljax.datasets.listing import list_files, without_copies

CARD = Card(
    name="kimia",
    title="Histopathology textures (KIMIA Path960)",
    classes=tuple("ABCDEFGHIJKLMNOPQRST"),
    images=960,
    image_size=112,
    batch_size=128,
    flip=True,
    grouped_by="none",
    licence="for research; cite Kumar et al. 2017 (arXiv 1705.07522)",
    source="https://www.kaggle.com/datasets/ambarish/kimia-path-960",
)


def examples(archive: Path) -> Iterator[Example]:
    for path in without_copies(path for path in list_files(archive) if path.suffix.lower() == ".tif"):
        if not re.fullmatch(r"[A-T]\d+", path.stem):
            raise UserError(f"{path} is not named <letter A to T><number>.tif as in the archive; move it elsewhere")
        yield Example(path.relative_to(archive).as_posix(), path.stem[0], path)
