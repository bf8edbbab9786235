"""Folds: the paper's rule, the honest one, the archive's own split, and the published lists."""

import numpy as np
import pytest

from tljax.core.errors import UserError
from tljax.datasets import Dataset, card
from tljax.datasets.folds import PARTS, make_folds


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


@pytest.mark.parametrize("rule", ["paper", "honest"])
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
def test_honest_rule_tests_every_image_once(grouped, patients):
    dataset = grouped if patients else toy(grouped.labels)
    tested = np.concatenate([fold.test for fold in make_folds(dataset, "honest")])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(dataset)))


def test_honest_rule_is_stratified():
    labels = np.repeat([0, 1], [400, 100])
    for fold in make_folds(toy(labels), "honest"):
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
        (toy([0, 1] * 12, [f"p{i // 2}" for i in range(24)]), r"needs at least 20 patients.* there are 12; the honest"),
        (toy([0, 1] * 12), "at most 3 of a class, cannot be divided into 5 parts; the paper's rule needs about 25"),
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


def test_unknown_rule_is_refused(grouped):
    with pytest.raises(UserError, match="there are paper and honest"):
        make_folds(grouped, "random")
