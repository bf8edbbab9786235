"""Sagittal knee MRI (MRNet): ACL tear, meniscus tear, normal. From the volumes, or from the authors' slices.

Volumes: the slices of the middle third of each, with the class of the patient: `acl` before `meniscus`; `normal` if
nothing is abnormal. Patients with other abnormalities are left out. Slices (`images/{acl,meniscus}/*.png`): each was
chosen for the tear that its folder names. Its class is that tear if the patient has it, else normal, as in the paper.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from tljax.core.errors import UserError
from tljax.datasets.dataset import Card, Example
from tljax.datasets.decoding import BadImage
from tljax.datasets.listing import files_in, find_folder, list_files

CARD = Card(
    name="knee",
    title="Ligament and meniscus tears in knee MRI (MRNet)",
    classes=("normal", "acl", "meniscus"),
    images=5222,
    image_size=112,
    batch_size=128,
    flip=True,
    grouped_by="patient",
    licence="Stanford research use agreement; cite Bien et al. 2018, doi:10.1371/journal.pmed.1002699",
    source="https://stanfordmlgroup.github.io/competitions/mrnet",
)

TEARS = ("acl", "meniscus")


def examples(archive: Path) -> Iterator[Example]:
    slices = [path for path in list_files(archive) if path.suffix.lower() == ".png"]
    yield from _from_slices(archive, slices) if slices else _from_volumes(archive)


def _from_slices(archive: Path, paths: list[Path]) -> Iterator[Example]:
    labels = {tear: _labels(archive, tear) for tear in TEARS}
    for path in paths:
        tear, patient = path.parent.name, path.name.split("_")[0]
        if tear not in TEARS:
            raise UserError(f"{path}: slices are expected in images/acl/ and images/meniscus/")
        if patient not in labels[tear]:
            raise UserError(f"{path}: there is no patient {patient} in the {tear} tables")
        label = tear if labels[tear][patient] else "normal"
        yield Example(path.relative_to(archive).as_posix(), label, path, patient)


def _from_volumes(archive: Path) -> Iterator[Example]:
    root = find_folder(archive, CARD.name, "train", "valid", "train-acl.csv")
    labels = {name: _labels(root, name) for name in (*TEARS, "abnormal")}
    volumes = {path.stem: path for part in ("train", "valid") for path in files_in(root / part / "sagittal", ".npy")}
    for name, table in labels.items():
        if absent := sorted(table.keys() - volumes):
            raise UserError(
                f"{root} has labels for {absent[0]} but no sagittal/{absent[0]}.npy. "
                "Is the archive completely unpacked?"
            )
        if unlabelled := sorted(volumes.keys() - table):
            path = volumes[unlabelled[0]]
            raise UserError(f"{path} has no line in train-{name}.csv or valid-{name}.csv, so its class is unknown")
    for patient, path in volumes.items():
        tear = next((tear for tear in TEARS if labels[tear][patient]), None)
        if tear is None and labels["abnormal"][patient]:
            continue
        folder, count = path.parent.relative_to(root).as_posix(), _slices(path)
        for number in range(count // 3, count - count // 3):
            name = f"{folder}/{patient}_sagittal_{number}.000000.png"  # as the authors name them
            yield Example(name, tear or "normal", partial(_read_slice, path, number), patient)


def _labels(archive: Path, name: str) -> dict[str, bool]:
    """Returns the label of each patient, from the two tables without a header (`0000,1`)."""
    labels = {}
    for part in ("train", "valid"):
        table = next((path for path in list_files(archive) if path.name == f"{part}-{name}.csv"), None)
        if table is None:
            raise UserError(f"{archive} has no table {part}-{name}.csv; the archive is incomplete")
        for number, line in enumerate(table.read_text(encoding="utf-8-sig", errors="replace").split(), 1):
            patient, _, value = line.partition(",")
            if value not in ("0", "1"):
                raise UserError(f"{table}, line {number}: {line!r} is not of the form 0000,1")
            if labels.setdefault(patient, value == "1") != (value == "1"):
                raise UserError(f"{table}, line {number}: {patient} has the other label in an earlier line")
    return labels


def _slices(path: Path) -> int:
    try:
        shape = np.load(path, mmap_mode="r").shape
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} is not a NumPy volume ({error}); fetch the archive again") from error
    if len(shape) != 3:
        raise UserError(f"{path} has the shape {shape}; slices, height and width are expected")
    return shape[0]


def _read_slice(path: Path, number: int) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r")[number]
    except (OSError, ValueError) as error:
        raise BadImage(f"slice {number} of {path.name} cannot be read ({error})") from error
