"""Fold lists that were written elsewhere: joined exactly, or refused by name."""

from pathlib import Path

import numpy as np
import pytest
from archives import write_csv

from tljax import datasets
from tljax.core.errors import UserError
from tljax.datasets import Dataset
from tljax.datasets.foldlists import PARTS, read_parts
from tljax.datasets.folds import read_folds


@pytest.fixture
def lists(own) -> tuple[Path, datasets.Dataset]:
    """Five identical fold lists for a folder of a user's images."""
    dataset = datasets.load("folder", own, 16, cache_dir=own.parent / "cache", progress=False)
    folder = own.parent / "lists" / "folder"
    for fold in range(1, 6):
        for part, rows in {"train": range(0, 12, 2), "val": (1, 7), "test": (3, 5, 9, 11)}.items():
            listed = [(f"../x/{dataset.files[row]}", dataset.card.classes[dataset.labels[row]]) for row in rows]
            write_csv(folder / f"{part}_fold{fold}.csv", ("path", "class"), listed)
    return folder.parent, dataset


def test_lists_join_where_base_names_recur(lists):
    fold = read_folds(lists[0], "folder", lists[1])[4]
    assert (fold.val.tolist(), fold.test.tolist()) == ([1, 7], [3, 5, 9, 11])


def spoil_list(
    lists: Path, part: str, rows: list[tuple[str, str]], header: tuple[str, ...] = ("path", "class")
) -> None:
    write_csv(lists / "folder" / f"{part}_fold2.csv", header, rows)


def test_wrong_fold_lists_are_refused(lists):
    folder, dataset = lists
    with pytest.raises(UserError, match="there is no folder chest in it"):
        read_folds(folder, "chest", dataset)
    spoil_list(folder, "val", [("x/cat/1.png", "cat"), ("x/cat/77.png", "cat")])
    with pytest.raises(UserError, match=r"fold 2: 1 listed images are not in the data, as x/cat/77.png"):
        read_folds(folder, "folder", dataset)
    spoil_list(folder, "val", [("x/cat/1.png", "cat")], ("file", "class"))
    with pytest.raises(UserError, match="has no column path"):
        read_folds(folder, "folder", dataset)
    (folder / "folder" / "val_fold2.csv").unlink()
    with pytest.raises(UserError, match=r"val_fold2.csv is missing"):
        read_folds(folder, "folder", dataset)


def test_images_in_no_list_and_other_classes_are_warned_of_by_name(lists):
    folder, dataset = lists
    spoil_list(folder, "val", [("x/cat/1.png", "cat")])
    with pytest.warns(UserWarning, match=r"fold 2: 1 image in no list, and therefore left out: dog/1.png"):
        read_folds(folder, "folder", dataset)
    spoil_list(folder, "val", [("x/cat/1.png", "dog"), ("x/dog/1.png", "dog")])
    with pytest.warns(UserWarning, match=r"fold 2: 1 image with another class in the data, which is used: x/cat/1.png"):
        read_folds(folder, "folder", dataset)


def named(files: list[str], labels: list[int] | None = None, skipped: tuple[str, ...] = ()) -> Dataset:
    """A set of empty images of two classes."""
    return Dataset(
        card=datasets.card("phantom"),
        images=np.zeros((len(files), 1, 1, 3), np.uint8),
        labels=np.array(labels or [0] * len(files), np.int32),
        files=tuple(files),
        patients=None,
        splits=None,
        fingerprint="",
        skipped=skipped,
    )


def joined(folder: Path, dataset: Dataset, train: list[str], val: tuple[str, ...] = (), classes: str = "") -> dict:
    """The rows of the parts, as lists of those paths give them."""
    for part, paths in zip(PARTS, (train, val, ()), strict=True):
        rows = [(path, *classes.split()[number : number + 1]) for number, path in enumerate(paths)]
        write_csv(folder / f"{part}_fold1.csv", ("path", "class") if classes else ("path",), rows)
    return {part: rows.tolist() for part, rows in read_parts(folder, dataset, 1).items()}


UIDS = [f"1.2.840.113619.2.{number}" for number in range(100, 118)]


@pytest.mark.parametrize("files", [UIDS, [f"{uid}.dcm" for uid in UIDS], [f"cat/{uid}" for uid in UIDS]])
def test_the_last_number_of_a_uid_is_not_a_suffix(tmp_path, files):
    order = np.random.default_rng(0).permutation(18).tolist()
    listed = [f"../data/cat/{UIDS[row]}" for row in order]
    found = joined(tmp_path, named(files), listed[:10], tuple(listed[10:]))
    assert (found["train"], found["val"]) == (sorted(order[:10]), sorted(order[10:]))


RECURRING = [f"{group}/p{number}/im.png" for group in "ab" for number in range(15)]


def test_a_listed_image_that_is_missing_is_never_another_of_its_base_name(tmp_path):
    listed = [file for file in RECURRING if file != "a/p3/im.png"]
    with pytest.raises(
        UserError, match=r"1 listed images are not in the data, as a/p99/im.png; .* another folder: a/p0"
    ):
        joined(tmp_path, named(RECURRING), [*listed, "a/p99/im.png"])
    with pytest.raises(UserError, match=r"1 listed images are not in the data, as c/p3/im.png"):
        joined(tmp_path, named(RECURRING), [*RECURRING, "c/p3/im.png"])


@pytest.mark.parametrize("root", ["", "../../data/", "/home/me/data/", "C:\\data\\", "./"])
def test_folders_above_those_of_the_data_do_not_matter(tmp_path, root):
    assert joined(tmp_path, named(RECURRING), [f"{root}{file}" for file in RECURRING])["train"] == list(range(30))
    assert joined(tmp_path, named([f"set/{file}" for file in RECURRING]), RECURRING)["train"] == list(range(30))


def test_a_path_that_may_be_several_images_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"im.png may be any of a/im.png, b/im.png; write it with its folder"):
        joined(tmp_path, named(["a/im.png", "b/im.png"]), ["im.png", "b/im.png"])
    with pytest.raises(UserError, match=r"x.png may be any of x.jpg, x.tif; write it with its folder and suffix"):
        joined(tmp_path, named(["x.jpg", "x.tif"]), ["x.png", "x.jpg"])


def test_the_suffix_matters_only_where_names_are_otherwise_equal(tmp_path):
    dataset = named(["a.png", "a.jpg", "b.dcm"])
    found = joined(tmp_path, dataset, ["x/a.jpg"], ("a.png", "x/b.png"))
    assert (found["train"], found["val"]) == ([1], [0, 2])


def test_findings_of_one_image_are_listed_by_its_name_or_by_their_own(tmp_path):
    dataset = named(["v.dcm", "v.dcm#2", "w.dcm", "w.dcm#2"], [1, 0, 0, 0])
    assert joined(
        tmp_path, dataset, ["v.png", "v.png", "w.dcm#2", "w.dcm"], classes="benign malignant benign benign"
    ) == {
        "train": [0, 1, 2, 3],
        "val": [],
        "test": [],
    }


def test_an_image_that_was_left_out_is_not_replaced_by_another(tmp_path):
    dataset = named(["b/1.png", "b/2.png"], skipped=("a/1.png",))
    assert joined(tmp_path, dataset, ["a/1.png", "b/2.png"], ("b/1.png",))["train"] == [1]


def test_an_image_that_is_listed_twice_is_warned_of(tmp_path):
    with pytest.warns(UserWarning, match=r"1 line with an image of an earlier line, ignored: y/a.png"):
        joined(tmp_path, named(["a.png", "b.png"]), ["x/a.png", "y/a.png", "b.png"])
    with pytest.raises(UserError, match=r"a.png is in train and in val"):
        joined(tmp_path, named(["a.png", "b.png"]), ["a.png"], ("a.png", "b.png"))


def test_a_class_called_none_is_a_class(tmp_path):
    with pytest.warns(UserWarning, match="1 image with another class in the data, which is used: a.png"):
        joined(tmp_path, named(["a.png"]), ["a.png"], classes="None")
