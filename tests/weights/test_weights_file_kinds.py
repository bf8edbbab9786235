"""Files that are damaged, of another kind, or would run code are refused, and the message says what they are."""

import json
import pickle
import zipfile

import h5py
import numpy as np
import pytest
import torch
from weight_files import (
    Malicious,
    in_format,
    random_tensors,
    refusal,
    to_torch,
    write_hdf5,
    write_safetensors,
    write_torch,
)

from tljax import weights
from tljax.core.errors import UserError

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture
def state():
    return in_format(random_tensors("small", "torch_v1.5"), "torchvision")


def test_shards_are_read_only_by_their_index(state, tmp_path):
    names = sorted(state)
    parts = {"model-00001-of-00002.safetensors": names[:100], "model-00002-of-00002.safetensors": names[100:]}
    for file, held in parts.items():
        write_safetensors(tmp_path / file, {name: state[name] for name in held})
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(
        json.dumps({"metadata": {}, "weight_map": {n: file for file, held in parts.items() for n in held}})
    )
    whole = weights.convert(write_safetensors(tmp_path / "whole", state))
    conversion = weights.convert(index)
    assert all(np.array_equal(conversion.tensors[name], whole.tensors[name]) for name in whole.tensors)
    for file in parts:
        assert "name model.safetensors.index.json" in refusal(tmp_path / file)
    before = conversion.card.sha256
    write_safetensors(tmp_path / file, {name: 2 * state[name] for name in held})
    assert weights.convert(index).card.sha256 != before
    write_safetensors(tmp_path / file, {name: state[name] for name in names[90:]})
    assert "which another shard also holds" in refusal(index)
    (tmp_path / file).unlink()
    assert f"'{file}', which must be next to it" in refusal(index)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy_arrays_are_refused_with_advice(protocol, state, tmp_path):
    np.savez(tmp_path / "w.npz", **state)
    np.save(tmp_path / "w.npy", np.ones(3))
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"blobs": state}, protocol=protocol))
    for name, kind in (
        ("w.npz", "NumPy archive"),
        ("w.npy", "single NumPy array"),
        ("w.pkl", "pickle of NumPy arrays"),
    ):
        message = refusal(tmp_path / name)
        assert kind in message and "safetensors.numpy.save_file" in message


@pytest.fixture(params=["torch", "legacy", "safetensors", "hdf5"])
def file(request, state, tmp_path):
    """A whole file of each container."""
    path = tmp_path / "w"
    if request.param == "hdf5":
        return write_hdf5(path, in_format(random_tensors("small", "keras_v1"), "keras"), "{layer}/{layer}/{leaf}:0")
    if request.param == "legacy":
        torch.save(to_torch(state), path, _use_new_zipfile_serialization=False)
        return path
    return {"torch": write_torch, "safetensors": write_safetensors}[request.param](path, state)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_a_truncated_file_is_refused(file, share):
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    message = refusal(file)
    assert "truncated" in message or "damaged" in message


def test_damage_at_random_places_gives_a_one_line_message(file):
    """The file is cut or overwritten at random places, mostly where the libraries read first."""
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    for _ in range(10):
        damaged = bytearray(whole)
        for place in rng.integers(0, 4000, 20):
            damaged[place] = rng.integers(256)
        for content in (damaged, whole[: rng.integers(4000)]):
            file.write_bytes(content)
            try:
                weights.convert(file)
            except UserError as refused:
                assert "\n" not in str(refused)


def test_a_wrong_checksum_is_refused(state, tmp_path):
    """PyTorch itself would load such a file."""
    path = write_torch(tmp_path / "w.pth", state)
    content, values = path.read_bytes(), state["layer4.0.conv2.weight"].tobytes()
    assert content.count(values) == 1
    path.write_bytes(content.replace(values, values[::-1]))
    assert "checksum" in refusal(path)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_quantised_weights_are_refused(dtype, state, tmp_path):
    quantised = {n: tensor.to(dtype) if tensor.ndim == 4 else tensor for n, tensor in to_torch(state).items()}
    torch.save(quantised, tmp_path / "w.pth")
    message = refusal(tmp_path / "w.pth")
    assert "'conv1.weight'" in message and str(dtype).removeprefix("torch.") in message.lower()
    assert "save" in message and "float32" in message


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        (b"\n<html lang='en'>Quota exceeded</html>", "web page"),
        (b"\xef\xbb\xbf\n<html>Not found</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 102\n", "Git LFS pointer"),
        (b"", "is empty"),
        (b"GGUF\x03\x00\x00\x00", "language model"),
        (b"\x1f\x8b\x08\x00", "unpack it"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no known format"),
    ],
)
def test_a_file_of_another_kind_is_refused(content, fact, tmp_path):
    path = tmp_path / "resnet50.h5"
    path.write_bytes(content)
    assert fact in refusal(path)


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"Access to model a/b is restricted.\n", "is a text, not weights: 'Access to model a/b is restricted.'"),
        (bytes(5000), "zeros alone: the download is incomplete"),
        (b"a" * 257 + b"ustar" + bytes(300), "is a tar archive; unpack it"),
    ],
)
def test_remains_of_a_failed_download_are_refused(content, fact, tmp_path):
    (tmp_path / "w.pth").write_bytes(content)
    assert fact in refusal(tmp_path / "w.pth")


def test_an_archive_around_the_file_is_refused(state, tmp_path):
    write_torch(tmp_path / "ResNet50.pt", state)
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.write(tmp_path / "ResNet50.pt", "ResNet50.pt")
    message = refusal(tmp_path / "w.zip")
    assert "'ResNet50.pt'" in message and "unpack it" in message


def test_a_keras_archive_without_its_weights_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
    assert "a Keras file without its 'model.weights.h5'" in refusal(tmp_path / "w.keras")


def test_a_missing_file_is_refused(tmp_path):
    assert "there is no file" in refusal(tmp_path / "absent.pth")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_runs_code_is_refused(legacy, tmp_path):
    path, trace = tmp_path / "w.pth", tmp_path / "trace"
    if legacy:
        path.write_bytes(pickle.dumps({"conv1.weight": Malicious(trace)}, protocol=2))
    else:
        torch.save({"conv1.weight": Malicious(trace)}, path)
    message = refusal(path)
    assert "mkdir" in message and "run code" in message
    assert not trace.exists()


class Unknown(torch.nn.Linear):
    """A module whose code only the author of its file has."""


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_pickled_module_and_a_torchscript_program_are_refused(tmp_path):
    torch.save(Unknown(1, 1), tmp_path / "module.pt")
    torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1, 1)).save(tmp_path / "script.pt")
    for name, fact in (("module.pt", "test_weights_file_kinds.Unknown"), ("script.pt", "TorchScript")):
        message = refusal(tmp_path / name)
        assert fact in message and "torch.save(model.state_dict()" in message


def test_a_folder_or_a_description_instead_of_weights_is_refused(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text('{\n  "weight_map": {}}')
    assert "names no files" in refusal(tmp_path / "model.safetensors.index.json")
    (tmp_path / "config.json").write_text('{\n  "depths": [3, 4, 6, 3]}')
    assert "name the weights file next to it" in refusal(tmp_path / "config.json")
    assert "name the weights file in it" in refusal(tmp_path)


def test_keras_3_files_without_layer_names_are_refused(tmp_path):
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.ones((7, 7, 3, 8))
    assert "names of the layers" in refusal(path)
