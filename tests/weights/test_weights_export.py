"""Export: a round trip keeps every tensor, and the notes state what a user of the file must know."""

import os

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from weight_cards import CARD
from weight_files import in_format, random_tensors, write_torch

from tljax import weights
from tljax.core.errors import UserError
from tljax.models.resnet import VARIANTS
from tljax.weights import convert_command
from tljax.weights.export import TARGETS, export

pytestmark = pytest.mark.usefixtures("small")


def run(*arguments):
    convert_command.main([*map(str, arguments)])


def saved(folder, variant):
    card = weights.WeightsCard(**{**vars(CARD), "backbone": "small", "variant": variant, "classes": ("a", "b", "c")})
    tensors = random_tensors("small", variant)
    weights.save(folder, tensors, card)
    return tensors, card


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_export_and_conversion_return_the_same_tensors(variant, target, tmp_path):
    tensors, card = saved(tmp_path / "run" / "checkpoint", variant)  # as a finished run holds it
    told = "; ".join(export(tmp_path / "run", tmp_path / "w", target))
    assert ("convolution biases are in the file" in told) == (variant == "keras_v1")
    back = weights.convert(tmp_path / "w")
    assert back.card.variant == variant
    assert back.tensors.keys() == tensors.keys()
    for name in tensors:
        np.testing.assert_array_equal(back.tensors[name], tensors[name])
    if target == "safetensors":
        assert (back.card.classes, back.card.normalisation) == (card.classes, card.normalisation)


def test_a_card_of_other_tensors_is_refused(tmp_path):
    """Such a file results if another head is added in PyTorch and the metadata are kept."""
    saved(tmp_path / "w", "torch_v1.5")
    export(tmp_path / "w", tmp_path / "w.safetensors", "safetensors")
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state |= {"fc.weight": state["fc.weight"][:2].clone(), "fc.bias": state["fc.bias"][:2].clone()}
        save_file(state, tmp_path / "changed", metadata=file.metadata())
    with pytest.raises(UserError, match="state small, 3 classes, but its tensors are those of small, 2 classes"):
        weights.convert(tmp_path / "changed")


def test_a_torchvision_file_is_exported_unchanged(tmp_path):
    state = in_format(random_tensors("small", "torch_v1.5"), "torchvision")
    conversion = weights.convert(write_torch(tmp_path / "in.pth", state))
    weights.save(tmp_path / "w", conversion.tensors, conversion.card)
    export(tmp_path / "w", tmp_path / "out.pth", "torch")
    back = torch.load(tmp_path / "out.pth", weights_only=True)
    assert back.keys() == state.keys()
    for name in state:
        np.testing.assert_array_equal(back[name].numpy(), state[name])


def test_an_existing_file_is_kept(tmp_path):
    saved(tmp_path / "w", "torch_v1.5")
    (tmp_path / "out.pth").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        export(tmp_path / "w", tmp_path / "out.pth", "torch")
    assert (tmp_path / "out.pth").read_text() == "mine"


def test_options_of_a_conversion_are_refused_with_to(tmp_path, monkeypatch):
    saved(tmp_path / "w", "torch_v1.5")
    with pytest.raises(UserError, match="--variant, --all-tensors cannot be combined with --to"):
        run(tmp_path / "w", "--out", tmp_path / "o", "--to", "torch", "--variant", "keras_v1", "--all-t")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("target", TARGETS)
def test_the_umask_decides_who_may_read_the_file(target, tmp_path):
    saved(tmp_path / "w", "torch_v1.5")
    before = os.umask(0o027)
    try:
        export(tmp_path / "w", tmp_path / "out", target)
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_exported_is_explained(tmp_path):
    with pytest.raises(UserError, match=r"there is no network '.*nowhere'"):
        export(tmp_path / "nowhere", tmp_path / "w.pth", "torch")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds no finished weights; run its training command again"):
        export(tmp_path, tmp_path / "w.pth", "torch")
