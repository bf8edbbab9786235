"""Files that lack a tensor by which networks are recognised: the message names the tensor."""

import re

import numpy as np
import pytest
from weight_files import in_format, random_tensors, write_safetensors

from tljax.core.errors import UserError
from tljax.weights import convert

FILES = {  # the format: a network, its variant, and what is missing
    "torchvision-densenet": ("densenet_tiny", "torch", "features.conv0.weight"),
    "torchvision-inception-v3": ("inception_v3_tiny", "torch", "Conv2d_1a_3x3.conv.weight"),
    "timm-vit": ("vit_tiny", "timm", "patch_embed.proj.weight"),
}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("form", FILES)
def test_the_missing_tensor_is_named(form, prefix, tmp_path):
    backbone, variant, missing = FILES[form]
    state = in_format(random_tensors(backbone, variant), form, backbone, variant)
    del state[missing]
    path = write_safetensors(tmp_path / "w", {prefix + name: tensor for name, tensor in state.items()})
    with pytest.raises(
        UserError, match=f"holds most of a network of the family .* lacks '{re.escape(prefix + missing)}'$"
    ):
        convert(path)


def test_half_a_network_is_not_called_nearly_complete(tmp_path):
    state = in_format(random_tensors("densenet_tiny", "torch"), "torchvision-densenet", "densenet_tiny", "torch")
    half = dict(list(state.items())[: len(state) // 2])
    half.pop("features.conv0.weight", None)
    with pytest.raises(UserError, match="no network that can be converted"):
        convert(write_safetensors(tmp_path / "w", half | {"features.norm0.weight": np.ones(2, np.float32)}))


def test_a_head_of_one_output_next_to_a_layer_norm_is_left_out(tmp_path):
    form, backbone, variant = "torchvision-convnext", "convnext_micro", "torch"
    state = in_format(random_tensors(backbone, variant, num_classes=1), form, backbone, variant)
    found = convert(write_safetensors(tmp_path / "w", state))
    assert "head.bias" not in found.tensors and "it has a single output" in " ".join(found.remarks)
