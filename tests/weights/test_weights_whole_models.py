"""Files that hold a whole pickled network, as TorchXRayVision publishes them: read without any of its code."""

import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from weight_files import in_format, random_tensors, to_torch

from tljax.core.errors import UserError
from tljax.weights import convert

TINY = "densenet_tiny"


class DenseNet(torch.nn.Module):
    """A class that only its library has."""

    __module__ = "torchxrayvision.models"


def network() -> DenseNet:
    """A DenseNet's modules with the tests' tensors and 18 findings."""
    tensors, found = random_tensors(TINY, "torch_grey", num_classes=18), DenseNet()
    for name, tensor in to_torch(in_format(tensors, "torchxrayvision", TINY, "torch_grey")).items():
        *places, leaf = name.split(".")
        owner = found
        for place in places:
            if place not in owner._modules:
                owner.add_module(place, torch.nn.Sequential())
            owner = owner._modules[place]
        if "running" in leaf:
            owner.register_buffer(leaf, tensor)
        else:
            owner.register_parameter(leaf, torch.nn.Parameter(tensor))
    found.register_buffer("op_threshs", torch.full((18,), torch.nan))
    return found


@pytest.fixture
def library(monkeypatch):
    """A library of the name of TorchXRayVision, gone again when the files are read."""
    module = types.ModuleType(DenseNet.__module__)
    module.DenseNet, module.__file__ = DenseNet, __file__  # where old files of torch take a class's source from
    monkeypatch.setitem(sys.modules, "torchxrayvision", types.ModuleType("torchxrayvision"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    yield monkeypatch
    assert "torchxrayvision.models" not in sys.modules


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_whole_pickled_model_is_read_without_its_code(is_zip, library, tmp_path):
    torch.save(network(), tmp_path / "w.pt", _use_new_zipfile_serialization=is_zip)
    library.undo()
    found = convert(tmp_path / "w.pt")
    assert (found.card.format, found.card.variant, found.card.classes) == ("torchxrayvision", "torch_grey", None)
    for name, tensor in random_tensors(TINY, "torch_grey", num_classes=18).items():
        if not name.startswith("head."):
            np.testing.assert_array_equal(found.tensors[name], tensor)
    assert {"op_threshs", "classifier.weight"} <= set(found.aside)
    assert "of whose code none was run" in found.card.note and "sigmoids" in found.card.note


class Malicious:
    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_whole_pickled_model_that_runs_code_is_refused(is_zip, library, tmp_path):
    model = network()
    model.extra = Malicious(tmp_path / "trace")
    torch.save(model, tmp_path / "w.pt", _use_new_zipfile_serialization=is_zip)
    library.undo()
    with pytest.raises(UserError, match=r"wants to run code when it is opened \(.*mkdir\)"):
        convert(tmp_path / "w.pt")
    assert not (tmp_path / "trace").exists()


def test_several_whole_models_are_refused(library, tmp_path):
    torch.save({"one": network(), "two": network()}, tmp_path / "w.pt")
    library.undo()
    with pytest.raises(UserError, match="more than one network"):
        convert(tmp_path / "w.pt")
