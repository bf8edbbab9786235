"""The published fold lists: archives made of their names give their class counts, fold sizes and joins."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np
import pandas
import pytest
from archives import CBIS_COLUMNS, ISIC_CLASSES, write_csv

from tljax import datasets
from tljax.datasets import Dataset, preparation
from tljax.datasets.folds import PARTS, make_folds, read_folds

TASKS = ("breast", "chest", "isic", "knee", "mammograms", "pcam-small", "rad_thyroid", "thyroid")
OWN_LISTS = "rad_thyroid"  # its lists are RadImageNet's, not made by the paper's rule


@pytest.fixture(scope="module")
def folds_dir(shared) -> Path:
    return shared / "reference" / "published" / "folds"


def published(folds_dir: Path, task: str, fold: int) -> dict[str, pandas.DataFrame]:
    return {part: pandas.read_csv(folds_dir / task / f"{part}_fold{fold}.csv", dtype=str) for part in PARTS}


def touch(paths: Iterable[Path]) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def below(path: str, folder: str) -> str:
    """The part of a listed path below one of its folders."""
    parts = PurePosixPath(path).parts
    return "/".join(parts[parts.index(folder) + 1 :])


def write_breast(root: Path, rows: pandas.DataFrame) -> None:
    touch(root / name.split(" ")[0] / name for name in (PurePosixPath(path).name for path in rows["path"]))


def write_chest(root: Path, rows: pandas.DataFrame) -> None:
    touch(root / below(path, "chest_xray") for path in rows["path"])


def write_isic(root: Path, rows: pandas.DataFrame) -> None:
    touch(root / "ISIC2018_Task3_Training_Input" / PurePosixPath(path).name for path in rows["path"])
    marks = [[f"{float(label == other)}" for other in ISIC_CLASSES] for label in rows["class"]]
    names = [PurePosixPath(path).stem for path in rows["path"]]
    truth = root / "ISIC2018_Task3_Training_GroundTruth.csv"
    write_csv(truth, ("image", *ISIC_CLASSES), [(name, *mark) for name, mark in zip(names, marks, strict=True)])


def write_knee(root: Path, rows: pandas.DataFrame) -> None:
    touch(root / "images" / below(path, "images") for path in rows["path"])
    for tear in ("acl", "meniscus"):
        torn = {pid for pid, label in zip(rows["pid"], rows["class"], strict=True) if label == tear}
        patients = sorted(set(rows["pid"]))
        write_csv(root / f"train-{tear}.csv", (), [(pid, int(pid in torn)) for pid in patients if int(pid) < 1130])
        write_csv(root / f"valid-{tear}.csv", (), [(pid, int(pid in torn)) for pid in patients if int(pid) >= 1130])


def write_mammograms(root: Path, rows: pandas.DataFrame) -> None:
    touch(root / "images" / PurePosixPath(path).name for path in rows["path"])
    tables: dict[str, list] = {f"{kind}_{part}": [] for kind in ("calc", "mass") for part in ("train", "test")}
    for patient, path, label in zip(rows["pid"], rows["path"], rows["class"], strict=True):
        view = PurePosixPath(path).stem
        kind, part = view.split("_")[0].lower().split("-")
        place = f"{view}/1.3.6.1/1.3.6.2/000000.dcm"
        tables[f"{kind}_{'train' if part == 'training' else 'test'}"].append((patient, "CC", 1, label, place, ""))
    for name, findings in tables.items():
        kind, part = name.split("_")
        write_csv(root / f"{kind}_case_description_{part}_set.csv", CBIS_COLUMNS, findings)


def write_pcam(root: Path, rows: pandas.DataFrame) -> None:
    touch(root / "png_images" / PurePosixPath(path).name for path in rows["path"])


def write_thyroid(root: Path, rows: pandas.DataFrame) -> None:
    """Benign cases without a grade, except in `rad_thyroid`, which holds the graded ones."""
    graded = "pid" not in rows
    for path, label in zip(rows["path"], rows["class"], strict=True):
        name = PurePosixPath(path).name
        grade = "4a" if label == "malignant" else "2" if graded else ""
        touch([root / name])
        (root / f"{name.split('_')[0]}.xml").write_text(f"<case><tirads>{grade}</tirads></case>")


WRITERS: dict[str, Callable[[Path, pandas.DataFrame], None]] = {
    "breast": write_breast,
    "chest": write_chest,
    "isic": write_isic,
    "knee": write_knee,
    "mammograms": write_mammograms,
    "pcam-small": write_pcam,
    "rad_thyroid": write_thyroid,
    "thyroid": write_thyroid,
}


@pytest.fixture(scope="module")
def from_names(folds_dir, tmp_path_factory) -> Callable[[str], Dataset]:
    """The data set of an archive in the official layout that has the published names and empty files."""
    sets: dict[str, Dataset] = {}

    def make(task: str) -> Dataset:
        if task not in sets:
            root = tmp_path_factory.mktemp(task)
            WRITERS[task](root, pandas.concat(published(folds_dir, task, 1).values()))
            examples = preparation.name_by_basename(list(datasets._task(task).examples(root)))
            card = datasets.card(task)
            preparation.check_examples(card, examples, root)
            patients = [example.patient for example in examples]
            sets[task] = Dataset(
                card=card,
                images=np.zeros((len(examples), 1, 1, 3), np.uint8),
                labels=np.array([card.classes.index(example.label) for example in examples], np.int32),
                files=tuple(example.file for example in examples),
                patients=None if None in patients else tuple(patients),
                splits=None,
                fingerprint="",
            )
        return sets[task]

    return make


@pytest.mark.parametrize("task", TASKS)
def test_class_counts_are_the_published_ones(task, folds_dir, from_names):
    dataset = from_names(task)
    listed = Counter(pandas.concat(published(folds_dir, task, 1).values())["class"])
    assert Counter(dataset.card.classes[label] for label in dataset.labels) == listed
    assert len(dataset) == dataset.card.images == sum(listed.values())


@pytest.mark.parametrize("task", TASKS)
def test_published_lists_join_to_the_last_image(task, folds_dir, from_names):
    dataset = from_names(task)
    for number, fold in enumerate(read_folds(folds_dir, task, dataset), 1):
        for part, rows in published(folds_dir, task, number).items():
            mine = getattr(fold, part)
            assert len(mine) == len(rows)
            assert Counter(dataset.card.classes[label] for label in dataset.labels[mine]) == Counter(rows["class"])


@pytest.mark.parametrize("task", [task for task in TASKS if task != OWN_LISTS])
def test_our_rule_gives_folds_of_the_published_sizes(task, folds_dir, from_names):
    for number, fold in enumerate(make_folds(from_names(task)), 1):
        listed = published(folds_dir, task, number)
        assert [len(getattr(fold, part)) for part in PARTS] == [len(listed[part]) for part in PARTS]


@pytest.mark.parametrize("task", ["breast", "isic"])
def test_our_rule_gives_the_published_folds_where_the_order_of_images_is_theirs(task, folds_dir, from_names):
    """The first column of the lists is the row number in the authors' table; grouped lists depend on more (`folds`)."""
    dataset = from_names(task)
    listed = pandas.concat(published(folds_dir, task, 1).values()).sort_values(
        "Unnamed: 0", key=lambda c: c.astype(int)
    )
    rows = {file: row for row, file in enumerate(dataset.files)}
    order = [rows[PurePosixPath(path).name] for path in listed["path"]]
    theirs = Dataset(
        card=dataset.card,
        images=dataset.images,
        labels=dataset.labels[order],
        files=tuple(dataset.files[row] for row in order),
        patients=None,
        splits=None,
        fingerprint="",
    )
    for made, read in zip(make_folds(theirs), read_folds(folds_dir, task, theirs), strict=True):
        for part in PARTS:
            np.testing.assert_array_equal(getattr(made, part), getattr(read, part))
