"""Finds leakage: duplicate images, or images of one patient, in two parts of a fold."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tljax.core.errors import SHOWN, UserError, first_few
from tljax.datasets.dataset import PARTS, Dataset, Fold
from tljax.datasets.duplicate_images import DuplicatePair


@dataclass(frozen=True)
class Leak:
    """What two parts of one fold (numbered from 1) share: pairs of duplicates, and patients."""

    fold: int
    parts: tuple[str, str]
    pairs: tuple[DuplicatePair, ...]
    patients: tuple[str, ...]


def find_leaks(dataset: Dataset, folds: Sequence[Fold], pairs: Sequence[DuplicatePair]) -> list[Leak]:
    """Returns a leak for every two parts of a fold that share duplicates (one of `pairs`) or a patient."""
    leaks = []
    for number, fold in enumerate(folds, 1):
        part_of = {row: part for part in PARTS for row in getattr(fold, part).tolist()}
        patients = (
            {part: {dataset.patients[row] for row in getattr(fold, part)} for part in PARTS} if dataset.patients else {}
        )
        for parts in (("train", "test"), ("train", "val"), ("val", "test")):
            shared = tuple(pair for pair in pairs if {part_of.get(pair.first), part_of.get(pair.second)} == set(parts))
            both = sorted(patients[parts[0]] & patients[parts[1]]) if patients else []
            if shared or both:
                leaks.append(Leak(number, parts, shared, tuple(both)))
    return leaks


def refuse_shared_patients(dataset: Dataset, fold: Fold, number: int) -> None:
    """Raises `UserError` if a patient that the task's protocol keeps together is in two parts of a fold."""
    if dataset.card.grouped_by != "patient":
        return  # the paper divides lesions and slides; `describe_leaks` still records it
    for leak in find_leaks(dataset, [fold], ()):
        one, other = leak.parts
        names = first_few(leak.patients)
        raise UserError(
            f"fold {number} of {dataset.card.name} has {len(leak.patients)} {dataset.card.unit}s in both {one} and "
            f"{other} ({names}): every score would be too good. Move all images of a {dataset.card.unit} to one part, "
            f"or accept it with --allow-leakage, which the run records and the report shows"
        )


def describe_leaks(dataset: Dataset, fold: Fold) -> list[dict[str, Any]] | None:
    """Returns what a run records of patients in two parts of its fold, as JSON values; None if patients are unknown.

    There is one object for every two parts that share patients: `parts`, `unit`, `count` and `names` (the first few).
    """
    if dataset.patients is None:
        return None
    return [
        {
            "parts": list(leak.parts),
            "unit": dataset.card.unit,
            "count": len(leak.patients),
            "names": list(leak.patients[:SHOWN]),
        }
        for leak in find_leaks(dataset, [fold], ())
    ]


COLUMNS = ("first", "second", "how", "label1", "label2", "patient", "folds", "fold", "parts")


def leak_rows(dataset: Dataset, pairs: Sequence[DuplicatePair], leaks: Mapping[str, Sequence[Leak]]) -> Iterator[tuple]:
    """Yields rows of `COLUMNS`: each pair, once per leak, or once if it does not leak; then each patient.

    leaks: by the title of the folds.
    """
    places = [(leak, (title, leak.fold, "-".join(leak.parts))) for title in leaks for leak in leaks[title]]
    places_of = defaultdict(list)
    for leak, place in places:
        for pair in leak.pairs:
            places_of[pair].append(place)
    for pair in pairs:
        files = dataset.files[pair.first], dataset.files[pair.second]
        labels = (dataset.card.classes[dataset.labels[row]] for row in (pair.first, pair.second))
        facts = (*files, pair.how, *labels, "")
        yield from ((*facts, *place) for place in places_of[pair] or [("", "", "")])
    for leak, place in places:
        yield from (("", "", f"same {dataset.card.unit}", "", "", patient, *place) for patient in leak.patients)


def patients_in_several_classes(dataset: Dataset) -> list[str]:
    """Returns patients whose images are of several classes: possible, but often an error in the labels."""
    classes: dict[str, set[int]] = {}
    if dataset.patients is None:
        return []
    for patient, label in zip(dataset.patients, dataset.labels.tolist(), strict=True):
        classes.setdefault(patient, set()).add(label)
    return sorted(patient for patient, labels in classes.items() if len(labels) > 1)
