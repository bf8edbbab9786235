"""Skin lesions of seven kinds (ISIC 2018, task 3). Lesions are the groups of the honest folds where they are known."""

from collections.abc import Iterator
from pathlib import Path

from tljax.datasets.common.archive import list_files
from tljax.datasets.common.base import Card, Example
from tljax.datasets.common.tables import read_table
from tljax.errors import UserError

CARD = Card(
    name="isic",
    title="Skin lesions (ISIC 2018, task 3)",
    classes=("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"),
    images=10015,
    image_size=112,
    batch_size=128,
    flip=True,
    grouped_by="none",
    licence="CC BY-NC 4.0; cite Codella et al. 2019 (arXiv 1902.03368) and Tschandl et al. 2018",
    source="https://challenge.isic-archive.com/data/#2018",
)

TRUTH = "ISIC2018_Task3_Training_GroundTruth.csv"
LESIONS = "HAM10000_metadata"  # of doi:10.7910/DVN/DBW86T, with or without .csv; not part of the challenge's archive


def examples(archive: Path) -> Iterator[Example]:
    files = list_files(archive)
    images = {path.stem: path for path in files if path.suffix.lower() == ".jpg"}
    table = next((path for path in files if path.name == TRUTH), archive / TRUTH)
    lesions = _lesions(files)
    named = set()
    for row in read_table(table, ("image", *CARD.classes)):
        name, marked = row["image"], [label for label in CARD.classes if float(row[label] or 0) == 1]
        if len(marked) != 1:
            raise UserError(f"{table}: {name} has {len(marked)} classes marked; one is expected")
        if name not in images:
            raise UserError(f"{table} names {name}, but there is no {name}.jpg: the archive is half unpacked")
        named.add(name)
        path = images[name]
        yield Example(path.relative_to(archive).as_posix(), marked[0], path, lesions.get(name))
    if unnamed := sorted(images.keys() - named):
        raise UserError(
            f"{images[unnamed[0]]} and {len(unnamed) - 1} more images have no line in {table}: which class?"
        )


def _lesions(files: list[Path]) -> dict[str, str]:
    """Image to lesion, where the HAM10000 metadata lie beside the images."""
    table = next((path for path in files if path.stem == LESIONS), None)
    if table is None:
        return {}
    return {row["image_id"]: row["lesion_id"] for row in read_table(table, ("image_id", "lesion_id"))}
