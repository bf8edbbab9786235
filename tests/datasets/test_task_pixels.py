"""Pixels change only with a version, and what earlier versions prepared is found."""

import importlib.util
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tljax import datasets
from tljax.datasets.cache_folders import LEGACY

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
_spec = importlib.util.spec_from_file_location("task_pixels", GOLDEN / "task_pixels.py")
task_pixels = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(task_pixels)
ROUNDED = ("phantom", "phantom-source", "thyroid", "rad_thyroid", "chest", "isic", "isic with lesions")
"""Simulated, or compressed with loss: another machine may round a value otherwise."""


@pytest.fixture(scope="module")
def golden() -> dict[str, tuple[str, np.ndarray, list[str]]]:
    with np.load(task_pixels.FILE) as stored:
        facts = [json.loads(str(stored[f"facts{number}"])) for number in range(len(stored.files) // 2)]
        return {
            name: (version, stored[f"pixels{number}"], names) for number, (name, version, names) in enumerate(facts)
        }


@pytest.mark.parametrize("name", task_pixels.SETS)
def test_pixels_change_only_with_a_version(name, golden, tmp_path):
    hint = "if the change is meant, raise the task's Card.version or store.FORMAT and run tests/golden/task_pixels.py"
    assert name in golden, "a new task: run tests/golden/task_pixels.py"
    version, pixels, names = task_pixels.made(name, tmp_path)
    known_version, known_pixels, known_names = golden[name]
    assert version == known_version, "a new version: run tests/golden/task_pixels.py"
    assert names == known_names, hint
    difference = np.abs(pixels.astype(int) - known_pixels)
    assert difference.max() <= (1 if name in ROUNDED else 0), hint


def test_a_cache_of_version_0_1_0_is_found_and_extended(tmp_path):
    """Two thyroid images, prepared at 8 px by that version."""
    with zipfile.ZipFile(GOLDEN / "cache_0.1.0.zip") as archive:
        archive.extractall(tmp_path)
    data = datasets.load("thyroid", None, 8, cache_dir=tmp_path, progress=False)
    assert data.fingerprint == "94b6511bafed2768" and data.files == ("1_1.jpg", "2_1.jpg")
    assert data.images[0, 0, :4, 0].tolist() == [6, 21, 34, 48]
    smaller = datasets.load("thyroid", None, 4, cache_dir=tmp_path, progress=False)
    (folder,) = datasets.prepared("thyroid", tmp_path)
    assert folder.name.endswith(LEGACY["thyroid"]) and (folder / "4px").is_dir() and len(smaller) == 2
    assert datasets.duplicates(data) == []


def test_the_legacy_name_of_a_task_whose_pixels_changed_is_not_taken(tmp_path):
    (tmp_path / "folder" / "0123456789ab-9e2eb2dd4e28" / "8px").mkdir(parents=True)
    assert datasets.prepared("folder", tmp_path) == []
