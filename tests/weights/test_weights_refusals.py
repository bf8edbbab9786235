"""Files that do not hold exactly one known network are refused: the message names the reason, nothing is written."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from weight_files import SMALL, in_format, random_tensors, to_torch, write_hdf5, write_safetensors, write_torch

from tljax import weights
from tljax.core.errors import UserError
from tljax.models.resnet import ARCHITECTURES
from tljax.weights import convert_command

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "small", SMALL)


@pytest.fixture
def state():
    return in_format(random_tensors("small", "torch_v1.5"), "torchvision")


def refusal(path, **options):
    with pytest.raises(UserError) as caught:
        weights.convert(path, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["conv1.weight", "layer1.1.bn2.running_var", "layer2.0.downsample.0.weight", "layer4.0.conv3.weight"],
)
def test_a_missing_tensor_is_named(name, state, tmp_path):
    del state[name]
    assert f"lacks '{name}'" in refusal(write_torch(tmp_path / "w.pth", state))


@pytest.mark.parametrize("name", ["layer1.1.downsample.0.weight", "layer2.0.se.fc.weight", "conv1.bias", "step"])
def test_an_unknown_tensor_is_named(name, state, tmp_path):
    state[name] = np.ones(8, np.float32)
    message = refusal(write_torch(tmp_path / "w.pth", state))
    assert "no place in the network" in message and f"'{name}'" in message


def test_a_renamed_tensor_is_named(state, tmp_path):
    state["layer3.0.convX.weight"] = state.pop("layer3.0.conv2.weight")
    assert "lacks 'layer3.0.conv2.weight'" in refusal(write_torch(tmp_path / "w.pth", state))


def test_a_tensor_of_another_shape_is_named(state, tmp_path):
    state["layer2.0.conv2.weight"] = state["layer2.0.conv2.weight"][:, :5]
    message = refusal(write_torch(tmp_path / "w.pth", state))
    assert "'layer2.0.conv2.weight'" in message and "(16, 5, 3, 3)" in message and "(16, 16, 3, 3)" in message


@pytest.mark.parametrize(
    ("shape", "fact"),
    [
        ((8, 1, 7, 7), "takes images of 1 channel, but ours takes 3"),
        ((8, 4, 7, 7), "takes images of 4 channels, but ours takes 3"),
        ((8, 3, 3, 3), "this kernel is 3 x 3, but the network's is 7 x 7"),
        ((8, 3, 7, 7, 7), "three dimensions"),
    ],
)
def test_a_stem_of_another_kind_is_described(shape, fact, state, tmp_path):
    state["conv1.weight"] = np.ones(shape, np.float32)
    message = refusal(write_torch(tmp_path / "w.pth", state))
    assert "'conv1.weight'" in message and fact in message and "Wide" not in message


def test_relatives_of_resnets_are_named(state, tmp_path):
    wide = state | {f"layer1.0.bn1.{leaf}": np.ones(16, np.float32) for leaf in ("weight", "bias")}
    assert "a Wide ResNet or a ResNeXt" in refusal(write_torch(tmp_path / "w.pth", wide))
    deep = {name.replace("conv1.weight", "conv1.0.weight") if name == "conv1.weight" else name: value
            for name, value in state.items()}  # fmt: skip
    assert "stem has several convolutions" in refusal(write_torch(tmp_path / "w.pth", deep))


@pytest.mark.parametrize(
    ("extra", "relative"),
    [
        ("layer1.0.se.fc1.weight", "SE-ResNet"),
        ("layer1.0.bn1.IN.weight", "IBN-Net"),
        ("attnpool.k_proj.weight", "CLIP's modified ResNet"),
        ("maxpool.1.filt", "anti-aliased"),
        ("layer1.0.downsample.0.bias", "MONAI's ResNet"),
    ],
)
def test_relatives_of_resnets_are_named_by_an_extra_tensor(extra, relative, state, tmp_path):
    message = refusal(write_torch(tmp_path / "w.pth", state | {extra: np.ones(8, np.float32)}))
    assert relative in message and f"'{extra}'" in message


def test_a_resnet_without_running_statistics_is_refused(state, tmp_path):
    bare = {name: tensor for name, tensor in state.items() if "running" not in name}
    message = refusal(write_torch(tmp_path / "w.pth", bare))
    assert "without running statistics" in message and "'bn1.running_mean'" in message


def test_a_value_too_large_for_float32_is_refused(state, tmp_path):
    large = to_torch(state) | {"conv1.weight": torch.full((8, 3, 7, 7), 1e300, dtype=torch.float64)}
    torch.save(large, tmp_path / "w.pth")
    message = refusal(tmp_path / "w.pth")
    assert "'conv1.weight'" in message and "1e+300" in message and "too large for float32" in message


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


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_tensor_that_is_not_finite_is_named(value, state, tmp_path):
    state["layer4.0.bn1.weight"][3] = value
    assert "'layer4.0.bn1.weight'" in refusal(write_torch(tmp_path / "w.pth", state))


def test_a_negative_variance_is_named(state, tmp_path):
    state["layer1.0.bn2.running_var"][3] = -1
    assert "'layer1.0.bn2.running_var'" in refusal(write_torch(tmp_path / "w.pth", state))


@pytest.mark.parametrize(
    ("network", "blocks", "convolutions"),
    [("(2, 2, 2, 3) basic", (2, 2, 2, 3), 2), ("(3, 4, 7, 3) bottleneck", (3, 4, 7, 3), 3)],
)
def test_another_resnet_is_described(network, blocks, convolutions, tmp_path):
    state = {f"conv1.{leaf}": np.ones(4, np.float32) for leaf in ("weight",)}
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            for conv in range(1, convolutions + 1):
                state[f"layer{stage}.{block}.conv{conv}.weight"] = np.ones((1, 1, 1, 1), np.float32)
                for leaf in ("weight", "bias", "running_mean", "running_var"):
                    state[f"layer{stage}.{block}.bn{conv}.{leaf}"] = np.ones(1, np.float32)
    assert f"holds a ResNet of {network} blocks" in refusal(write_torch(tmp_path / "w.pth", state))


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("encoder.layer.0.weight", ""),
        ("patch_embed.proj.weight", "vision transformer"),
        ("conv2_block1_preact_bn.weight", "V2"),
        ("stages.0.blocks.0.downsample.conv.weight", "(V2), as BiT"),
        ("layers.0.blocks.0.attn.relative_position_bias_table", "a Swin transformer"),
        ("blocks.0.attn.relative_position_bias_table", "a BEiT"),
        ("conv_stem.weight", "an EfficientNet, a MobileNet"),
        ("features.1.conv.0.0.weight", "an EfficientNet, a MobileNet"),
        ("features.0.weight", "a VGG"),
        ("inception3a.branch1.conv.weight", "a GoogLeNet"),
    ],
)
def test_a_file_without_a_known_network_is_refused(name, network, tmp_path):
    message = refusal(write_safetensors(tmp_path / "w", {name: np.ones(2, np.float32)}))
    assert "no network that can be converted" in message and f"'{name}'" in message and network in message


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


class Malicious:
    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


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
    for name, fact in (("module.pt", "test_weights_refusals.Unknown"), ("script.pt", "TorchScript")):
        message = refusal(tmp_path / name)
        assert fact in message and "torch.save(model.state_dict()" in message


def test_two_networks_in_one_file_are_refused(state, tmp_path):
    both = {f"{net}.{name}": value for net in ("left", "right") for name, value in state.items()}
    message = refusal(write_torch(tmp_path / "w.pth", both))
    assert "two networks" in message and "'left.'" in message and "'right.'" in message
    torch.save({"left": to_torch(state), "right": to_torch(state)}, tmp_path / "w.pth")
    assert "'left', 'right'" in refusal(tmp_path / "w.pth")


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


def command_line(*arguments):
    return [sys.executable, str(ROOT / "tools" / "convert_weights.py"), *map(str, arguments)]


def test_a_refusal_of_the_command_is_one_line_and_leaves_nothing(tmp_path, state):
    del state["bn1.bias"]
    path = write_torch(tmp_path / "w.pth", state)
    done = subprocess.run(command_line(path, "--out", tmp_path / "out"), capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("to", ["weights", "torch", "safetensors"])
def test_a_folder_that_cannot_be_written_is_reported(to, state, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    path = write_torch(tmp_path / "w.pth", state)
    conversion = weights.convert(path)
    weights.save(tmp_path / "w", conversion.tensors, conversion.card)
    options = [path] if to == "weights" else [tmp_path / "w", "--to", to]
    monkeypatch.setattr(sys, "argv", ["convert_weights.py", *map(str, options), "--out", str(tmp_path / "file" / "w")])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"cannot write .*another place"):
        convert_command.main()
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_is_reported(state, tmp_path, monkeypatch):
    conversion = weights.convert(write_torch(tmp_path / "w.pth", state))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 10, 10))
    with pytest.raises(OSError, match="No space left"):
        weights.save(tmp_path / "w", conversion.tensors, conversion.card)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "w.pth"]


def test_a_killed_conversion_leaves_no_complete_folder(tmp_path):
    """The process is killed as soon as its temporary folder appears, while the tensors are written."""
    path = write_torch(
        tmp_path / "w.pth", in_format(random_tensors("resnet_tiny", "torch_v1.5"), "torchvision", "resnet_tiny")
    )
    out = tmp_path / "weights" / "imagenet"
    process = subprocess.Popen(command_line(path, "--out", out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not out.parent.exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if not out.exists():  # else it was quicker than the kill, and whole
        with pytest.raises(UserError, match="no imagenet weights"):
            weights.find("imagenet", out.parent)
    else:
        weights.load(out)
