"""The cache of prepared images, and fold lists joined to it: interrupted, damaged, out of date, or wrong."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from archives import pixels, write_csv, write_dicom, write_images
from PIL import Image
from pydicom.uid import RLELossless

from tljax import datasets
from tljax.errors import UserError
from tljax.folds import read_folds


def load(task: str, data_dir: Path, **options) -> datasets.Dataset:
    return datasets.load(task, data_dir, 16, cache_dir=data_dir.parent / "cache", progress=False, **options)


def test_an_interrupted_preparation_is_never_taken_for_a_finished_one(own, monkeypatch):
    from tljax.datasets.common import store

    monkeypatch.setattr(store, "MAX_BLOCK", 3)
    whole, made = store._write_block, []

    def interrupted(path: Path, *rest) -> None:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(path.name)
        whole(path, *rest)

    monkeypatch.setattr(store, "_write_block", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load("folder", own)
    assert not list(own.parent.glob("cache/folder/*/16px"))
    again = []
    monkeypatch.setattr(store, "_write_block", lambda path, *rest: (again.append(path.name), whole(path, *rest)))
    dataset = load("folder", own)
    assert len(dataset) == 12 and len(made) == len(again) == 2 and not set(made) & set(again)
    grey = np.asarray(Image.fromarray(pixels(0)).resize((16, 16), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(dataset.images[0, ..., 0], grey)


def test_a_cache_that_cannot_be_written_is_named(own, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"folder cannot be prepared .*Not a directory.* --cache-dir names another"):
        datasets.load("folder", own, 16, cache_dir=tmp_path / "file", progress=False)


def test_a_missing_decoder_is_not_laid_to_the_image(own, monkeypatch):
    """Once it is installed, the same command goes on."""
    from tljax.datasets.common import dicom

    write_dicom(own / "cat" / "scan.dcm", pixels(0))
    file = pydicom.dcmread(own / "cat" / "scan.dcm")
    file.compress(RLELossless)
    file.save_as(own / "cat" / "scan.dcm")
    with monkeypatch.context() as bare:
        bare.setattr(dicom, "get_decoder", lambda syntax: SimpleNamespace(is_available=False))
        with pytest.raises(UserError, match=r"cat/scan.dcm is a DICOM file compressed as RLE .* pip install"):
            load("folder", own, skip_bad=True)
    assert len(load("folder", own)) == 13


def test_large_images_are_decoded_a_few_at_a_time(own, monkeypatch):
    """Each thread takes memory for its image: sixteen cores would take sixteen times that of one."""
    from tljax.datasets.common import decode, store

    Image.fromarray(pixels(0, (3000, 5000))).save(own / "cat" / "large.png")
    assert 15e6 * 5 < decode.memory_needed(own / "cat" / "large.png") < 15e6 * 7
    monkeypatch.setattr(store, "THREADS", 16)
    assert [store.workers(memory) for memory in (0, 10_000, 100_000_000, 10_000_000_000)] == [16, 16, 4, 1]


def test_a_damaged_cache_is_named(own):
    dataset = load("folder", own)
    path = Path(dataset.images.filename)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"the prepared data in .* is damaged .* delete that folder"):
        load("folder", own)


def test_a_changed_archive_is_prepared_anew(own):
    first = load("folder", own)
    write_images([own / "cat" / "new.png"])
    second = load("folder", own)
    assert len(second) == len(first) + 1 and second.fingerprint != first.fingerprint
    with pytest.raises(UserError, match="folder is prepared from 2 archives"):
        datasets.load("folder", None, 16, cache_dir=own.parent / "cache")


@pytest.fixture
def lists(own) -> tuple[Path, datasets.Dataset]:
    """Fold lists of the folder of one's own, all five alike."""
    dataset = load("folder", own)
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
    with pytest.warns(UserWarning, match=r"fold 2: 1 images are in no list and left out: dog/1.png"):
        read_folds(folder, "folder", dataset)
    spoil_list(folder, "val", [("x/cat/1.png", "dog"), ("x/dog/1.png", "dog")])
    with pytest.warns(
        UserWarning, match=r"fold 2: 1 images are of another class in the data, and stay so: x/cat/1.png"
    ):
        read_folds(folder, "folder", dataset)
