"""Skin lesions of seven kinds (ISIC 2018, task 3). Lesions are the groups of the honest folds where they are known."""

from collections.abc import Iterator
from pathlib import Path

from tljax.datasets.common.archive import list_files, without_copies
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
    unit="lesion",
)

INPUT = "ISIC2018_Task3_Training_Input"  # the challenge's other images may lie beside it
TRUTH = "ISIC2018_Task3_Training_GroundTruth.csv"
MARKS = {"1": True, "1.0": True, "0": False, "0.0": False}
LESIONS = {  # tables of lesions, none of them part of the archive: the columns of the image and of its lesion
    "ISIC2018_Task3_Training_LesionGroupings": ("image", "lesion_id"),  # from the challenge's page
    "HAM10000_metadata": ("image_id", "lesion_id"),  # of doi:10.7910/DVN/DBW86T; .csv, .tab or no suffix
}


def examples(archive: Path) -> Iterator[Example]:
    files = list_files(archive)
    images = _images(files)
    table = next((path for path in files if path.name == TRUTH), archive / TRUTH)
    lesions = _lesions(files)
    named = set()
    for line, row in read_table(table, ("image", *CARD.classes)):
        name, place = row["image"], f"{table}, line {line}"
        if strange := [label for label in CARD.classes if row[label] not in MARKS]:
            raise UserError(f"{place}: {name} has {row[strange[0]]!r} under {strange[0]}; 1 or 0 is expected")
        marked = [label for label in CARD.classes if MARKS[row[label]]]
        if len(marked) != 1:
            raise UserError(f"{place}: {name} has {len(marked)} classes marked; one is expected")
        if name not in images:
            raise UserError(f"{place} names {name}, but there is no {name}.jpg: the archive is half unpacked")
        if lesions and name not in lesions:
            raise UserError(f"{name} is in {table}, but not in the table of lesions that lies beside it")
        named.add(name)
        path = images[name]
        yield Example(path.relative_to(archive).as_posix(), marked[0], path, lesions.get(name))
    if unnamed := sorted(images.keys() - named):
        raise UserError(
            f"{images[unnamed[0]]} and {len(unnamed) - 1} more images have no line in {table}: which class?"
        )


def _images(files: list[Path]) -> dict[str, Path]:
    """The training images by name: those of the challenge's own folder or, where it is not kept, all."""
    images = [path for path in files if path.suffix.lower() == ".jpg"]
    training = [path for path in images if INPUT in path.parts]
    return {path.stem: path for path in without_copies(training or images)}


def _lesions(files: list[Path]) -> dict[str, str]:
    """Image to lesion, where one of the tables of lesions is there."""
    for path in files:
        if path.stem in LESIONS:
            image, lesion = LESIONS[path.stem]
            return {row[image]: row[lesion] for _, row in read_table(path, (image, lesion))}
    return {}
