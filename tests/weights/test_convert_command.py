"""The command `tljax weights convert`: what it prints, what it checks, and that it leaves nothing half-written."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from weight_files import in_format, random_tensors, write_torch

from tljax import weights
from tljax.core.errors import UserError
from tljax.weights import convert_command, verify

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture
def state():
    return in_format(random_tensors("small", "torch_v1.5"), "torchvision")


def run(*arguments):
    convert_command.main([*map(str, arguments)])


def test_the_command_prints_a_short_table_and_verifies(tmp_path, monkeypatch, capsys):
    path = write_torch(tmp_path / "w.pth", in_format(random_tensors("small", "torch_v1.5"), "torchvision"))
    run(path, "--out", tmp_path / "w", "--verify")
    printed = capsys.readouterr().out
    assert (
        "layer1.0.conv1.weight .. layer1.1.bn3.running_var -> stages.0.0.conv1.kernel .. stages.0.1.bn3.var" in printed
    )
    assert printed.count(" -> ") == 6  # the stem, four stages, the head
    assert "left out: 'bn1.num_batches_tracked'" in printed
    assert printed.count("largest difference") == 6
    assert "compared with a plain PyTorch small of variant torch_v1.5" in printed
    assert "note: torchvision names without convolution biases" in printed
    assert weights.read_card(tmp_path / "w").sha256 == weights.convert(path).card.sha256


def test_a_conversion_that_differs_from_the_original_is_not_written(tmp_path, monkeypatch):
    path = write_torch(tmp_path / "w.pth", in_format(random_tensors("small", "torch_v1.5"), "torchvision"))
    right = verify.original_outputs

    def other(*arguments):
        title, found = right(*arguments)
        return title, {layer: values * 1.002 for layer, values in found.items()}

    monkeypatch.setattr(verify, "original_outputs", other)
    with pytest.raises(UserError, match=r"differs from the original network by 2\.0e-03"):
        run(path, "--out", tmp_path / "w", "--verify")
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("verified", [True, False])
def test_outputs_that_are_not_finite_are_not_written(verified, tmp_path, monkeypatch, capsys):
    """Every tensor is finite, but the outputs overflow."""
    state = in_format(random_tensors("small", "torch_v1.5"), "torchvision")
    state["layer1.0.bn2.weight"][3] = state["layer1.0.bn3.weight"][:] = 3e38
    path = write_torch(tmp_path / "w.pth", state)
    with pytest.raises(UserError, match="'block1' gives NaN or infinity"):
        run(path, "--out", tmp_path / "w", *(["--verify"] if verified else []))
    assert not (tmp_path / "w").exists()


def test_a_nan_difference_is_a_failure(tmp_path, monkeypatch, capsys):
    path = write_torch(tmp_path / "w.pth", in_format(random_tensors("small", "torch_v1.5"), "torchvision"))
    right = verify.original_outputs

    def broken(*arguments):
        title, found = right(*arguments)
        return title, found | {"block2": found["block2"] * np.nan}

    monkeypatch.setattr(verify, "original_outputs", broken)
    with pytest.raises(UserError, match="'block2' differs"):
        run(path, "--out", tmp_path / "w", "--verify")


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
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"cannot write .*another place"):
        run(*options, "--out", tmp_path / "file" / "w")
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "file").read_text() == "mine"


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
