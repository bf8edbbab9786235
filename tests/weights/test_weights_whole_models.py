"""Files that hold a whole pickled network, as TorchXRayVision publishes them: read without any of its code."""

import datetime
import sys
import types

import numpy as np
import pytest
import torch
from weight_files import Malicious, in_format, random_tensors, to_torch

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
    """A library with the name of TorchXRayVision, which is removed before the files are read."""
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
    assert "whose code was not run" in found.card.note and "sigmoids" in found.card.note


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_whole_pickled_model_that_runs_code_is_refused(is_zip, library, tmp_path):
    model = network()
    model.extra = Malicious(tmp_path / "trace")
    torch.save(model, tmp_path / "w.pt", _use_new_zipfile_serialization=is_zip)
    library.undo()
    with pytest.raises(UserError, match=r"would run code when it is opened \(.*mkdir\)"):
        convert(tmp_path / "w.pt")
    assert not (tmp_path / "trace").exists()


def test_several_whole_models_are_refused(library, tmp_path):
    torch.save({"one": network(), "two": network()}, tmp_path / "w.pt")
    library.undo()
    with pytest.raises(UserError, match="a network under each of 'one', 'two'"):
        convert(tmp_path / "w.pt")


def test_a_whole_model_within_other_code_of_torch_or_under_a_key_is_read(library, tmp_path):
    torch.save(torch.nn.DataParallel(network()), tmp_path / "parallel.pt")
    torch.save({"model": network(), "ema": None, "epoch": 3}, tmp_path / "key.pt")
    library.undo()
    wanted = random_tensors(TINY, "torch_grey", num_classes=18)["conv1.kernel"]
    for file in ("parallel.pt", "key.pt"):
        found = convert(tmp_path / file)
        np.testing.assert_array_equal(found.tensors["conv1.kernel"], wanted)
        assert "whose code was not run" in found.card.note


def test_buffers_that_a_network_does_not_save_are_left_out(library, tmp_path):
    model = network()
    model.register_buffer("grid", torch.ones(3), persistent=False)
    torch.save(model, tmp_path / "w.pt")
    library.undo()
    assert convert(tmp_path / "w.pt").card.format == "torchxrayvision"


def test_objects_next_to_tensors_are_left_out(tmp_path):
    state = to_torch(in_format(random_tensors(TINY, "torch"), "torchvision-densenet", TINY, "torch"))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))])
    objects = {"path": tmp_path, "date": datetime.date(2020, 1, 2), "optimizer": optimizer, "log": np.ones(3)}
    torch.save({"state_dict": state, **objects}, tmp_path / "w.ckpt")
    found = convert(tmp_path / "w.ckpt")
    assert found.card.format == "torchvision-densenet"
    assert "objects of datetime, numpy, pathlib, torch left out, whose code was not run" in found.card.note


def test_arrays_of_numpy_saved_by_torch_are_refused_with_what_to_do(tmp_path):
    torch.save({"conv1.weight": np.ones(3)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"NumPy arrays instead of tensors; save the arrays by name"):
        convert(tmp_path / "w.pth")
