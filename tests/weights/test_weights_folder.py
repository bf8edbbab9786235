"""Weights folders: saved tensors are loaded exactly, and incomplete folders are refused."""

import dataclasses
import json
import os
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from weight_cards import CARD

from tljax import weights
from tljax.core.errors import UserError
from tljax.models.resnet import ARCHITECTURES, Architecture
from tljax.weights import NORMALISATIONS, WeightsCard, networks


def test_saved_tensors_are_loaded_exactly(tmp_path, tensors):
    weights.save(tmp_path / "w", tensors, CARD)
    loaded, card = weights.load(tmp_path / "w")
    assert card == CARD
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        np.testing.assert_array_equal(loaded[name], tensor)


def test_a_card_without_a_head_has_no_classes(tmp_path, tensors):
    weights.save(tmp_path / "w", tensors, dataclasses.replace(CARD, classes=None))
    assert weights.read_card(tmp_path / "w").classes is None


def test_an_existing_folder_is_overwritten_only_on_request(tmp_path, tensors):
    weights.save(tmp_path / "w", tensors, CARD)
    other = {name: tensor + 1 for name, tensor in tensors.items()}
    with pytest.raises(UserError, match="exists already"):
        weights.save(tmp_path / "w", other, CARD)
    np.testing.assert_array_equal(weights.load(tmp_path / "w")[0]["bn1.mean"], tensors["bn1.mean"])
    weights.save(tmp_path / "w", other, CARD, overwrite=True)
    np.testing.assert_array_equal(weights.load(tmp_path / "w")[0]["bn1.mean"], other["bn1.mean"])


def test_nan_is_refused_when_saving_and_loading(tmp_path, tensors):
    broken = tensors | {"bn1.mean": np.full(16, np.nan, np.float32)}
    with pytest.raises(UserError, match=r"'bn1\.mean'.*NaN"):
        weights.save(tmp_path / "w", broken, CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_fails_leaves_nothing_behind(tmp_path, tensors, monkeypatch):
    def full_disk(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(WeightsCard, "to_json", full_disk)  # the last file that is written
    with pytest.raises(OSError, match="no space"):
        weights.save(tmp_path / "w", tensors, CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported(tmp_path, tensors, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 10, 10))
    with pytest.raises(OSError, match="No space left"):
        weights.save(tmp_path / "w", tensors, CARD)
    assert list(tmp_path.iterdir()) == []


def test_temporary_folders_of_killed_processes_are_removed(tmp_path, tensors):
    process = subprocess.Popen(["true"])
    process.wait()
    places = [(platform.node(), process.pid), (platform.node(), os.getppid()), ("elsewhere", process.pid)]
    dead, *kept = (tmp_path / f".w.{machine}.{number}.partial" for machine, number in places)
    for folder in (dead, *kept):
        (folder / "state").mkdir(parents=True)
    weights.save(tmp_path / "w", tensors, CARD)
    assert sorted(tmp_path.iterdir()) == sorted([*kept, tmp_path / "w"])


@pytest.mark.parametrize("lost", ["card.json", "state"])
def test_an_incomplete_folder_is_refused(tmp_path, tensors, lost):
    weights.save(tmp_path / "w", tensors, CARD)
    (tmp_path / "w" / lost).rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="not a weights folder"):
        weights.load(tmp_path / "w")


def test_damaged_tensors_are_refused(tmp_path, tensors):
    weights.save(tmp_path / "w", tensors, CARD)
    for file in (tmp_path / "w" / "state").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(UserError, match="damaged"):
        weights.load(tmp_path / "w")


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"normalisation": {}, "classes": None})])
def test_an_invalid_card_is_refused(tmp_path, tensors, text):
    weights.save(tmp_path / "w", tensors, CARD)
    (tmp_path / "w" / "card.json").write_text(text)
    with pytest.raises(UserError, match="not the card"):
        weights.load(tmp_path / "w")


def test_a_folder_of_version_0_1_0_gives_the_same_outputs(tmp_path, monkeypatch):
    """Made by golden/weights_folder.py."""
    monkeypatch.setitem(ARCHITECTURES, "resnet_micro", Architecture((1,), 8))
    with tarfile.open(Path(__file__).parents[1] / "golden" / "weights_0.1.0.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    network = networks.resolve(str(tmp_path / "old"))
    assert network.card.normalisation == NORMALISATIONS["radimagenet"]
    assert (network.card.variant, network.card.classes) == ("keras_v1", ("a", "b", "c"))
    with np.load(tmp_path / "outputs.npz") as old:
        found = network.model(jnp.asarray(old["images"]))
        np.testing.assert_allclose(found.logits, old["logits"], rtol=1e-5)
        np.testing.assert_allclose(found.activations["block1"], old["block1"], rtol=1e-5, atol=1e-5)
