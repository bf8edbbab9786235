"""Fixtures of the tests of weights."""

import numpy as np
import pytest
from weight_files import SMALL

from tljax.models.resnet import ARCHITECTURES


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    shapes = {"conv1.kernel": (7, 7, 3, 16), "bn1.mean": (16,), "stages.0.0.conv1.kernel": (1, 1, 16, 16)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def small(monkeypatch):
    """A small ResNet, of which tests write files."""
    monkeypatch.setitem(ARCHITECTURES, "small", SMALL)
