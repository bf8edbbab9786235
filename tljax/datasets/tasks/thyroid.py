"""Thyroid ultrasound nodules (DDTI): TI-RADS 4a and above are malignant; a case without a TI-RADS grade is benign."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from tljax.core.errors import UserError
from tljax.datasets.dataset import Card, Example
from tljax.datasets.listing import list_files, without_copies

CARD = Card(
    name="thyroid",
    title="Thyroid nodules in ultrasound (DDTI)",
    classes=("benign", "malignant"),
    images=480,
    image_size=224,
    batch_size=16,
    flip=True,
    grouped_by="patient",
    licence="unstated (Kaggle); cite Pedraza et al. 2015, doi:10.1117/12.2073532",
    source="https://www.kaggle.com/datasets/dasmehdixtr/ddti-thyroid-ultrasound-images",
)

GRADES = {"1": "benign", "2": "benign", "3": "benign", "4": "malignant", "5": "malignant"}


def examples(archive: Path) -> Iterator[Example]:
    return (example for example, _ in graded_examples(archive))


def graded_examples(archive: Path) -> Iterator[tuple[Example, str | None]]:
    """Yields the examples, each with its TI-RADS grade as the XML has it, or None."""
    files = list_files(archive)
    cases = {path.stem: path for path in files if path.suffix.lower() == ".xml"}
    images = without_copies(path for path in files if path.suffix.lower() == ".jpg")
    for path in sorted(images, key=_number):
        patient = path.stem.split("_")[0]
        if patient not in cases:
            raise UserError(f"{path} has no {patient}.xml next to it, so its class is unknown; fetch the archive again")
        grade = _grade(cases[patient])
        label = GRADES[grade[0]] if grade else "benign"
        yield Example(path.relative_to(archive).as_posix(), label, path, patient), grade
    if missing := sorted(cases.keys() - {path.stem.split("_")[0] for path in images}):
        patient = missing[0]
        raise UserError(f"{cases[patient]} describes a case, but there is no image {patient}_1.jpg of it")


def _number(path: Path) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+_\d+", path.stem):
        raise UserError(f"{path} is not named <patient>_<number>.jpg as in the archive; move it elsewhere")
    return tuple(map(int, path.stem.split("_")))


def _grade(path: Path) -> str | None:
    try:
        texts = (element.text or "" for element in ElementTree.parse(path).iterfind("tirads"))
        grades = sorted({text.strip() for text in texts} - {""})
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not the XML of a case ({error}); fetch the archive again") from error
    if len(grades) > 1:
        raise UserError(f"{path} has several TI-RADS grades ({', '.join(grades)}); keep the right one")
    if grades and grades[0][0] not in GRADES:
        raise UserError(f"{path}: unknown TI-RADS grade {grades[0]!r}; 1, 2, 3, 4a, 4b, 4c or 5 is expected")
    return grades[0] if grades else None
