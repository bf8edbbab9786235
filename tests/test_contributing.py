"""The examples of CONTRIBUTING.md work as they stand."""

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tljax.similarity.arrays import evaluate
from tljax.similarity.cka import linear_cka

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()


def example(path: str) -> ModuleType:
    """The module that the page shows for a path."""
    source = re.search(rf"`{re.escape(path)}`.*?```python\n(.*?)```", TEXT, re.DOTALL)
    assert source, f"CONTRIBUTING.md shows no {path}"
    module = ModuleType(Path(path).stem)
    exec(compile(source[1], path, "exec"), module.__dict__)
    return module


def test_the_data_set_yields_its_images(tmp_path):
    skin = example("tljax/datasets/tasks/skin.py")
    for label in ("mole", "melanoma"):
        (tmp_path / "skin" / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "skin" / label / "1.png")
    found = [(each.file, each.label) for each in skin.examples(tmp_path)]
    assert found == [("mole/1.png", "mole"), ("melanoma/1.png", "melanoma")]


def test_the_measure_is_the_root_of_linear_cka():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 5)).astype(np.float32)
    y = y + x
    value = evaluate(example("tljax/similarity/trace_overlap.py").measure, x, y)
    assert value == pytest.approx(np.sqrt(linear_cka(x, y)), rel=1e-5)


def test_the_score_has_the_value_of_its_docstring():
    """Means of 2 and -2 have a variance of 4; the values lie 1 to either side."""
    class_distance = example("tljax/screen/scores/class_distance.py")
    features = np.array([[1.0], [3.0], [-1.0], [-3.0]])
    assert class_distance.score(features, np.array([0, 0, 1, 1])).value == pytest.approx(4)
    low, high = class_distance.bounds(2)
    assert low <= 4 <= high
