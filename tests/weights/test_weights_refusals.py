"""Files that do not hold exactly one known network are refused, and the message names the reason."""

import numpy as np
import pytest
import torch
from weight_files import in_format, random_tensors, refusal, to_torch, write_safetensors, write_torch

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture
def state():
    return in_format(random_tensors("small", "torch_v1.5"), "torchvision")


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
        ("storage_tokens", "a DINOv3 with the names of its authors"),
    ],
)
def test_a_file_without_a_known_network_is_refused(name, network, tmp_path):
    message = refusal(write_safetensors(tmp_path / "w", {name: np.ones(2, np.float32)}))
    assert "no network that can be converted" in message and f"'{name}'" in message and network in message


def test_two_networks_in_one_file_are_refused(state, tmp_path):
    both = {f"{net}.{name}": value for net in ("left", "right") for name, value in state.items()}
    message = refusal(write_torch(tmp_path / "w.pth", both))
    assert "two networks" in message and "'left.'" in message and "'right.'" in message
    torch.save({"left": to_torch(state), "right": to_torch(state)}, tmp_path / "w.pth")
    assert "'left', 'right'" in refusal(tmp_path / "w.pth")
