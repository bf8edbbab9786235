"""The cache of prepared images: interrupted, damaged, or out of date."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from archives import pixels, write_dicom, write_images
from PIL import Image
from pydicom.uid import RLELossless

from tljax import datasets
from tljax.core.errors import UserError


def load(task: str, data_dir: Path, **options) -> datasets.Dataset:
    return datasets.load(task, data_dir, 16, cache_dir=data_dir.parent / "cache", progress=False, **options)


def test_an_interrupted_preparation_is_never_taken_for_a_finished_one(own, monkeypatch):
    from tljax.datasets import store

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


def test_a_missing_decoder_is_not_blamed_on_the_image(own, monkeypatch):
    """Once it is installed, the same command goes on."""
    from tljax.datasets.decoding import dicom_pixels

    write_dicom(own / "cat" / "scan.dcm", pixels(0))
    file = pydicom.dcmread(own / "cat" / "scan.dcm")
    file.compress(RLELossless)
    file.save_as(own / "cat" / "scan.dcm")
    with monkeypatch.context() as bare:
        bare.setattr(dicom_pixels, "get_decoder", lambda syntax: SimpleNamespace(is_available=False))
        with pytest.raises(UserError, match=r"cat/scan.dcm is a DICOM file compressed as RLE .*pip install"):
            load("folder", own, skip_bad=True)
    assert len(load("folder", own)) == 13


def test_large_images_are_decoded_a_few_at_a_time(own, monkeypatch):
    """Each thread takes memory for its image: sixteen cores would take sixteen times that of one."""
    from tljax.datasets import decoding, store

    Image.fromarray(pixels(0, (3000, 5000))).save(own / "cat" / "large.png")
    assert 15e6 * 5 < decoding.memory_needed(own / "cat" / "large.png") < 15e6 * 7
    monkeypatch.setattr(store, "THREADS", 16)
    assert [store.workers(memory) for memory in (0, 10_000, 100_000_000, 10_000_000_000)] == [16, 16, 4, 1]


@pytest.mark.parametrize("kept", [0, 50, -100])
def test_a_damaged_cache_is_named(own, kept):
    dataset = load("folder", own)
    path = Path(dataset.images.filename)
    signatures = path.with_name("looks.npy")
    signatures.write_bytes(signatures.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"the prepared data in .* is damaged .* delete that folder"):
        datasets.duplicates(dataset)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"the prepared data in .* is damaged .* delete that folder"):
        load("folder", own)


def test_a_changed_archive_is_prepared_again(own):
    first = load("folder", own)
    write_images([own / "cat" / "new.png"])
    second = load("folder", own)
    assert len(second) == len(first) + 1 and second.fingerprint != first.fingerprint
    with pytest.raises(UserError, match="folder is prepared from 2 archives"):
        datasets.load("folder", None, 16, cache_dir=own.parent / "cache")
