"""Folds: the paper's rule, the grouped one, the archive's own split, and the published lists."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from archives import pixels
from PIL import Image

from tljax import datasets
from tljax.core.errors import UserError
from tljax.datasets import Dataset, card
from tljax.datasets.duplicate_images import DuplicatePair
from tljax.datasets.folds import PARTS, Fold, fold_of, make_folds
from tljax.datasets.grouping import duplicate_groups
from tljax.datasets.leakage import describe_leaks, find_leaks, refuse_shared_patients


def make_parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def toy(labels, patients=None, splits=None, task="phantom") -> Dataset:
    """A set of empty images with the given labels."""
    count = len(labels)
    return Dataset(
        card=card(task),
        images=np.zeros((count, 1, 1, 3), np.uint8),
        labels=np.array(labels, np.int32),
        files=tuple(f"{row}.png" for row in range(count)),
        patients=None if patients is None else tuple(patients),
        splits=None if splits is None else tuple(splits),
        fingerprint="",
    )


@pytest.fixture
def grouped() -> Dataset:
    rng = np.random.default_rng(0)
    patients = np.sort(rng.integers(0, 150, 300))
    labels = rng.integers(0, 2, 150)[patients]
    return toy(labels, [f"p{patient}" for patient in patients])


@pytest.mark.parametrize("rule", ["paper", "grouped"])
def test_folds_divide_the_set_and_keep_patients_apart(grouped, rule):
    folds = make_folds(grouped, rule)
    assert len(folds) == 5
    for fold in folds:
        parts = [getattr(fold, part) for part in PARTS]
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(grouped)))
        patients = [{grouped.patients[row] for row in part} for part in parts]
        assert not patients[0] & patients[1] and not patients[0] & patients[2] and not patients[1] & patients[2]


def test_paper_rule_divides_the_held_out_fifth(grouped):
    for fold in make_folds(grouped):
        held_out = len(fold.test) + len(fold.val)
        assert held_out == pytest.approx(60, abs=4)
        assert len(fold.val) == pytest.approx(held_out / 4, abs=4)


@pytest.mark.parametrize("patients", [True, False])
def test_grouped_rule_tests_every_image_once(grouped, patients):
    dataset = grouped if patients else toy(grouped.labels)
    tested = np.concatenate([fold.test for fold in make_folds(dataset, "grouped")])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(dataset)))


def test_grouped_rule_is_stratified():
    labels = np.repeat([0, 1], [400, 100])
    for fold in make_folds(toy(labels), "grouped"):
        for part in PARTS:
            assert labels[getattr(fold, part)].mean() == pytest.approx(0.2, abs=0.02)


def test_the_archives_own_split_is_the_only_fold():
    fold, *others = make_folds(toy([0, 1] * 3, splits=["train", "train", "val", "val", "test", "test"]))
    assert not others
    assert (fold.train.tolist(), fold.val.tolist(), fold.test.tolist()) == ([0, 1], [2, 3], [4, 5])


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (toy([0] * 20 + [1] * 4), "the class malignant has 4 images, fewer than the 5 folds"),
        (toy([0, 1] * 20, ["p0", "p1"] * 20), "2 patients are too few"),
        (
            toy([0, 1] * 12, [f"p{i // 2}" for i in range(24)]),
            r"needs at least 20 patients.* there are 12; the",
        ),
        (toy([0, 1] * 12), "24 images, 12 of them of the class benign, are too few .* the paper's rule needs about 25"),
        (toy([0] * 50 + [1] * 10, [f"p{i}" for i in range(50)] + ["q"] * 10), "some patients have so many images"),
        (toy([0] * 50 + [1] * 6, [f"p{i}" for i in range(50)] + ["q"] * 6), "has no image of malignant in its train"),
        (toy([0, 1, 0, 1], splits=["train", "val", "test", "test"]), "no image of malignant in its train part"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(dataset, message):
    with pytest.raises(UserError, match=message):
        make_folds(dataset)


def test_a_validation_part_without_a_class_is_warned_of():
    with pytest.warns(UserWarning, match="its validation AUC is undefined"):
        make_folds(toy([0, 1, 0, 0, 1], splits=["train", "train", "val", "test", "test"]))


@pytest.fixture
def doubled(tmp_path) -> Dataset:
    """Fifty pictures, of which every other one is there twice, in the same class and once in another."""
    for number in range(50):
        image = Image.fromarray(pixels(number))
        image.save(make_parent(tmp_path / "own" / ("cat", "dog")[number % 2] / f"{number:02d}.png"))
        if number % 2:
            image.save(tmp_path / "own" / "dog" / f"{number:02d}_again.png")
        if number == 7:
            image.save(tmp_path / "own" / "cat" / f"{number:02d}_elsewhere.png")
    return datasets.load("folder", tmp_path / "own", 8, cache_dir=tmp_path / "cache", progress=False)


@pytest.mark.parametrize("rule", ["paper", "grouped"])
def test_duplicates_stay_in_one_part_on_request(doubled, rule):
    pairs = datasets.duplicates(doubled)
    assert len(pairs) == 27  # 24 twins, and three pairs of the picture that is there three times
    plain, together = make_folds(doubled, rule), make_folds(doubled, rule, group_duplicates=True)
    assert find_leaks(doubled, plain, pairs) and not find_leaks(doubled, together, pairs)
    for fold in together:
        rows = np.sort(np.concatenate([getattr(fold, part) for part in PARTS]))
        np.testing.assert_array_equal(rows, np.arange(len(doubled)))


def test_groups_are_components_of_duplicates_and_patients():
    pairs = [DuplicatePair(0, 3, "mirrored"), DuplicatePair(3, 5, "identical")]
    assert duplicate_groups(toy([0] * 7), pairs).tolist() == [0, 1, 2, 0, 3, 0, 4]
    patients = ["b", "a", "c", "d", "a", "e", "c"]
    assert duplicate_groups(toy([0] * 7, patients), pairs).tolist() == [0, 1, 2, 0, 1, 0, 2]
    patients[1] = "e"  # the patient of image 5, and so of 0 and 3
    assert duplicate_groups(toy([0] * 7, patients), pairs).tolist() == [0, 0, 1, 0, 2, 0, 1]


def test_duplicates_cannot_be_grouped_where_the_parts_are_given(tmp_path):
    given = toy([0, 1] * 3, splits=["train", "train", "val", "val", "test", "test"])
    with pytest.raises(UserError, match="its own train, val and test parts, which --group-duplicates cannot change"):
        make_folds(given, group_duplicates=True)
    with pytest.raises(UserError, match="--group-duplicates makes its own folds, but --folds-dir"):
        fold_of(toy([0, 1] * 30), 1, folds_dir=tmp_path, group_duplicates=True)


def test_a_patient_in_two_parts_is_refused_where_the_task_keeps_patients_together():
    dataset = toy([0, 1] * 3, ["p", "q", "r", "s", "p", "t"], ["train", "train", "val", "val", "test", "test"])
    (fold,) = make_folds(dataset)
    with pytest.raises(UserError, match=r"fold 1 of phantom has 1 patients in both train and test \(p\): .*--allow"):
        refuse_shared_patients(dataset, fold, 1)
    assert describe_leaks(dataset, fold) == [
        {"parts": ["train", "test"], "unit": "patient", "count": 1, "names": ["p"]}
    ]
    lesions = replace(dataset, card=card("isic"))  # which the paper itself divides
    refuse_shared_patients(lesions, fold, 1)
    assert describe_leaks(lesions, fold)[0]["unit"] == "lesion"
    assert describe_leaks(toy([0, 1]), Fold(*(np.array([], np.int64),) * 3)) is None


def test_unknown_rule_is_refused(grouped):
    with pytest.raises(UserError, match="known are paper and grouped"):
        make_folds(grouped, "random")


def test_the_former_name_of_the_grouped_rule_is_accepted(grouped):
    for one, other in zip(make_folds(grouped, "honest"), make_folds(grouped, "grouped"), strict=True):
        np.testing.assert_array_equal(one.test, other.test)
