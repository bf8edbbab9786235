"""Skin lesions of seven kinds (ISIC 2018, task 3). Lesions, if known, are the groups of the grouped folds.

The same images are also published as HAM10000, with their classes in the column `dx` of its metadata. The metadata are
read if the challenge's table is absent, and their rows are brought into the order of that table.
"""

from collections.abc import Iterator
from pathlib import Path

from tljax.core.errors import UserError, counted
from tljax.datasets.dataset import Card, Example
from tljax.datasets.listing import list_files, without_copies
from tljax.datasets.tables import read_table

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

FOLDERS = ("isic2018_task3_training_input", "ham10000_images_part_")  # images in other folders are ignored
TRUTH = "ISIC2018_Task3_Training_GroundTruth.csv"
METADATA = "HAM10000_metadata"  # of doi:10.7910/DVN/DBW86T; .csv, .tab or no suffix
MARKS = {"1": True, "1.0": True, "0": False, "0.0": False}
LESIONS = {  # tables that are not part of the archive: their columns of the image and of its lesion
    "ISIC2018_Task3_Training_LesionGroupings": ("image", "lesion_id"),  # from the challenge's page
    METADATA: ("image_id", "lesion_id"),
}


def examples(archive: Path) -> Iterator[Example]:
    files = list_files(archive)
    images, lesions, named = _images(files), _lesions(files), set()
    table, classes = _classes(archive, files)
    for line, name, label in classes:
        if name not in images:
            raise UserError(
                f"{table}, line {line} names {name}, but there is no {name}.jpg: the archive is not completely unpacked"
            )
        if name in named:
            raise UserError(f"{table}, line {line}: {name} is in an earlier line already; keep one of the two")
        if lesions and name not in lesions:
            raise UserError(
                f"{name} is in {table}, but not in the table of lesions; fetch that table again, or remove it"
            )
        named.add(name)
        path = images[name]
        yield Example(path.relative_to(archive).as_posix(), label, path, lesions.get(name))
    if unnamed := sorted(images.keys() - named):
        raise UserError(
            f"{counted(len(unnamed), 'image')} without a line in {table}, such as {images[unnamed[0]]}: the class is "
            "unknown"
        )


def _classes(archive: Path, files: list[Path]) -> tuple[Path, list[tuple[int, str, str]]]:
    """Returns the table of classes, and the number, the image and the class of each of its lines."""
    truth = next((path for path in files if path.name == TRUTH), None)
    metadata = next((path for path in files if path.stem == METADATA), None)
    if truth or not metadata:
        table = truth or archive / TRUTH
        rows = read_table(table, ("image", *CARD.classes))
        return table, [(line, row["image"], _marked(row, f"{table}, line {line}")) for line, row in rows]
    rows = sorted(read_table(metadata, ("image_id", "dx")), key=lambda row: row[1]["image_id"])
    return metadata, [(line, row["image_id"], row["dx"].upper()) for line, row in rows]


def _marked(row: dict[str, str], place: str) -> str:
    name = row["image"]
    if strange := [label for label in CARD.classes if row[label] not in MARKS]:
        raise UserError(f"{place}: {name} has {row[strange[0]]!r} under {strange[0]}; 1 or 0 is expected")
    marked = [label for label in CARD.classes if MARKS[row[label]]]
    if len(marked) != 1:
        raise UserError(f"{place}: {name} has {len(marked)} classes marked; one is expected")
    return marked[0]


def _images(files: list[Path]) -> dict[str, Path]:
    """Returns the training images by name: those in their original folders or, without these, all."""
    images = [path for path in files if path.suffix.lower() == ".jpg"]
    training = [path for path in images if any(part.lower().startswith(FOLDERS) for part in path.parts)]
    return {path.stem: path for path in without_copies(training or images)}


def _lesions(files: list[Path]) -> dict[str, str]:
    """Returns the lesion of each image from the table of lesions; empty if there is no such table."""
    for path in files:
        if path.stem in LESIONS:
            image, lesion = LESIONS[path.stem]
            return {row[image]: row[lesion] for _, row in read_table(path, (image, lesion))}
    return {}
