"""Files of Inception networks, with the names that other libraries give their tensors (golden/make_inception.py)."""

import re
from pathlib import Path

import goldens
import h5py
import numpy as np
import pytest
from weight_files import NARROW, in_format, random_tensors, write_hdf5, write_safetensors

from tljax.core.errors import UserError
from tljax.models import inception_v3
from tljax.models.normalisation import NORMALISATIONS
from tljax.weights import convert, save
from tljax.weights.catalogue import checkpoints
from tljax.weights.export import export
from tljax.weights.inception import numbered
from tljax.weights.keras.files import Layer
from tljax.weights.keras.graph import Graph

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "inception.npz")
SOURCES = goldens.sources(GOLDEN)
KERAS_2 = "{layer}/{layer}/{leaf}:0"


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setitem(inception_v3.ARCHITECTURES, "inception_v3_narrow", NARROW)


def of(start: str) -> str:
    return next(source for source in SOURCES if source.startswith(start))


def golden_file(source: str) -> dict[str, np.ndarray]:
    return goldens.golden_file(GOLDEN, source, positive=True)


def written(path: Path, source: str, file: dict[str, np.ndarray]) -> Path:
    if "Keras" in source:
        return write_hdf5(path.with_suffix(".h5"), file, KERAS_2)
    return write_safetensors(path.with_suffix(".safetensors"), file)


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_of_each_source_is_read_by_its_own_names(source, tmp_path):
    _, form, backbone, variant = source.split("|")
    found = convert(written(tmp_path / "file", source, golden_file(source)))
    assert (found.card.format, found.card.backbone, found.card.variant) == (form, backbone, variant)
    origin = {ours: list(theirs) for ours, theirs in found.origin.items() if not ours.startswith("head.")}
    assert origin == {line.split()[0]: line.split()[1:] for line in GOLDEN[f"{source}|origin"]}


@pytest.mark.parametrize("start", ["Keras|keras-inception-v3", "Keras|keras-inception-resnet-v2"])
def test_a_whole_keras_model_without_head_is_read_as_radimagenet(start, tmp_path):
    source = of(start)
    path = write_hdf5(tmp_path / "file.h5", golden_file(source), KERAS_2, "model_weights")
    found = convert(path)
    assert found.card.format == source.split("|")[1].replace("keras", "radimagenet")
    assert found.card.normalisation == NORMALISATIONS["radimagenet"]
    assert convert(path, normalisation="inception").card.normalisation == NORMALISATIONS["inception"]


def test_the_first_number_of_keras_layers_does_not_matter(tmp_path):
    """A session that has built other networks continues to count; the official files count from 1."""
    tensors = random_tensors("inception_v3_tiny", "keras")
    state = in_format(tensors, "keras-inception-v3", "inception_v3_tiny", "keras")

    def moved(name: str, by: int) -> str:
        return re.sub(r"^(conv2d|batch_normalization)(?:_(\d+))?/", lambda m: f"{m[1]}_{int(m[2] or 0) + by}/", name)

    for by in (1, 94):
        file = {moved(name, by): tensor for name, tensor in state.items()}
        found = convert(write_hdf5(tmp_path / f"{by}.h5", file, KERAS_2))
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(found.tensors[name], tensor)
    del file["conv2d_99/kernel"]
    with pytest.raises(UserError, match="lacks 'conv2d_99/kernel'"):
        convert(write_hdf5(tmp_path / "missing.h5", file, KERAS_2))


def test_layers_are_ordered_by_number_not_by_text():
    names = ["a/conv2d_10/kernel", "a/conv2d_9/kernel", "conv2d_2/kernel", "batch_normalization/beta"]
    found = numbered.rename(dict.fromkeys(names))
    assert found["a/conv2d_9/kernel"] == "a/conv2d/kernel" and found["a/conv2d_10/kernel"] == "a/conv2d_1/kernel"
    assert found["conv2d_2/kernel"] == "conv2d/kernel"
    assert found["batch_normalization/moving_mean"] == "batch_normalization/moving_mean"


def test_a_network_within_another_keras_model_is_found(tmp_path):
    tensors = random_tensors("inception_resnet_v2_tiny", "keras")
    state = in_format(tensors, "keras-inception-resnet-v2", "inception_resnet_v2_tiny", "keras")
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        for name, tensor in state.items():
            file.create_dataset(f"inception_resnet_v2/{name}:0", data=tensor)
        file.create_dataset("dense/dense/kernel:0", data=np.ones((96, 3), np.float32))
        file.create_dataset("dense/dense/bias:0", data=np.ones(3, np.float32))
    found = convert(path)
    assert found.card.backbone == "inception_resnet_v2_tiny" and len(found.card.classes) == 3
    np.testing.assert_array_equal(found.tensors["stages.2.2.up.kernel"], tensors["stages.2.2.up.kernel"])


def test_the_auxiliary_classifier_is_left_out_and_the_head_is_converted(tmp_path):
    file = golden_file(of("torchvision|"))
    found = convert(write_safetensors(tmp_path / "file.safetensors", file))
    assert {"AuxLogits.conv0.conv.weight", "AuxLogits.fc.bias"} <= set(found.aside)
    np.testing.assert_array_equal(found.tensors["head.kernel"], file["fc.weight"].T)
    assert found.card.normalisation == NORMALISATIONS["inception"] and "transform_input" in found.card.note
    given = convert(tmp_path / "file.safetensors", normalisation="imagenet")
    assert given.card.normalisation == NORMALISATIONS["imagenet"]


@pytest.mark.parametrize("start", ["torchvision|", "timm|timm-inception-resnet", "Keras|keras-inception-resnet"])
def test_missing_extra_and_misshapen_tensors_are_named(start, tmp_path):
    source = of(start)
    file = golden_file(source)
    ours = {line.split()[0]: line.split()[1] for line in GOLDEN[f"{source}|origin"]}
    place = next(name for name in ours if name.startswith("stages.1.0.branches.1.steps.1.") and name.endswith("mean"))
    mean, kernel = ours[place], ours[place.replace("norm.mean", "conv.kernel")]
    missing = {name: tensor for name, tensor in file.items() if name != mean}
    with pytest.raises(UserError, match=f"lacks '{re.escape(mean)}'"):
        convert(written(tmp_path / "missing", source, missing))
    extra = re.sub(r"mean$", "range", mean)
    with pytest.raises(UserError, match=f"no place in the network: '{re.escape(extra)}'"):
        convert(written(tmp_path / "extra", source, file | {extra: file[mean].copy()}))
    with pytest.raises(UserError, match=rf"'{re.escape(kernel)}' .* has shape"):
        convert(written(tmp_path / "shape", source, file | {kernel: file[kernel][..., :-1].copy()}))


def test_another_family_is_refused_by_name(tmp_path):
    source = of("timm|timm-inception-resnet-v2")
    path = written(tmp_path / "file", source, golden_file(source))
    with pytest.raises(UserError, match=r"holds a inception_resnet_v2_tiny .*, not a inception_v3"):
        convert(path, backbone="inception_v3")
    resnet = in_format(random_tensors("resnet_tiny", "torch_v1.5"), "torchvision", "resnet_tiny")
    with pytest.raises(UserError, match=r"holds a resnet_tiny .*, not a inception_v3"):
        convert(write_safetensors(tmp_path / "resnet.safetensors", resnet), backbone="inception_v3")
    narrow = {name: tensor for name, tensor in golden_file(of("torchvision|")).items()}
    narrow["Conv2d_1a_3x3.conv.weight"] = np.ones((24, 3, 3, 3), np.float32)
    with pytest.raises(UserError, match="an Inception V3 whose first convolution has 24 channels"):
        convert(write_safetensors(tmp_path / "wide.safetensors", narrow))


def test_another_keras_network_with_numbered_layers_is_refused(tmp_path):
    file = {"conv2d/kernel": np.ones((3, 3, 3, 32), np.float32), "conv2d_1/kernel": np.ones((3, 3, 32, 64), np.float32)}
    with pytest.raises(UserError, match="no network that can be converted"):
        convert(write_hdf5(tmp_path / "file.h5", file, KERAS_2))


def test_a_port_of_keras_weights_fits_the_keras_variant_if_all_scales_are_one(tmp_path):
    source = of("RadImageNet's PyTorch|")
    file = golden_file(source)
    path = written(tmp_path / "file", source, file)
    with pytest.raises(UserError, match="no scale in BatchNorm, but the scales of the file are not all 1"):
        convert(path, variant="keras")
    ones = {name: np.ones_like(value) if name.endswith("bn.weight") else value for name, value in file.items()}
    found = convert(written(tmp_path / "ones", source, ones), variant="keras", normalisation="radimagenet")
    assert found.card.variant == "keras" and not any(name.endswith("norm.scale") for name in found.tensors)


@pytest.mark.parametrize("start", ["timm|timm-inception-resnet-v2", "torchvision|", "Keras|keras-inception-resnet"])
def test_a_network_is_exported_and_read_again(start, tmp_path):
    source = of(start)
    found = convert(written(tmp_path / "file", source, golden_file(source)))
    save(tmp_path / "weights", found.tensors, found.card)
    export(tmp_path / "weights", tmp_path / "back.safetensors", "safetensors")
    again = convert(tmp_path / "back.safetensors")
    assert (again.card.variant, again.card.normalisation) == (found.card.variant, found.card.normalisation)
    assert again.tensors.keys() == found.tensors.keys()
    for name, tensor in found.tensors.items():
        np.testing.assert_array_equal(again.tensors[name], tensor)


@pytest.mark.parametrize("name", ["inception-v3", "radimagenet-inception-v3", "radimagenet-inception-resnet-v2"])
def test_the_published_checkpoints_can_be_converted(name):
    assert checkpoints()[name].supported


def described(path: Path, source: str, *change: str) -> Path:
    """Writes a whole Keras model, with the first text of `change` replaced by the second in the description."""
    config = str(GOLDEN[f"{source}|config"])
    if change:
        assert change[0] in config
        config = config.replace(*change)
    write_hdf5(path, golden_file(source), KERAS_2, "model_weights")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = config
    return path


@pytest.mark.parametrize("start", ["Keras|keras-inception-v3", "Keras|keras-inception-resnet-v2"])
def test_a_keras_file_is_compared_with_its_description(start, tmp_path):
    source = of(start)
    assert convert(described(tmp_path / "file.h5", source)).card.variant == "keras"
    if start == "Keras|keras-inception-v3":  # the other's average pooling is the same in both variants
        with pytest.raises(UserError, match="those of keras; --variant torch contradicts them"):
            convert(tmp_path / "file.h5", variant="torch")
    for old, new, fault in (
        ('"pool_size": [3, 3], "padding": "same"', '"pool_size": [5, 5], "padding": "same"', r"average_pool.*size 5"),
        ('"kernel_size": [7, 1], "strides": [1, 1]', '"kernel_size": [7, 1], "strides": [2, 2]', "stride 2"),
    ):
        with pytest.raises(UserError, match=f"describes another network than ours: .*{fault}"):
            convert(described(tmp_path / "changed.h5", source, old, new))


def test_the_described_scale_of_residual_blocks_is_checked(tmp_path):
    path = described(tmp_path / "file.h5", of("Keras|keras-inception-resnet"), '"scale": 0.17', '"scale": 0.2')
    with pytest.raises(UserError, match=r"is .*scaled_add\(block2\.0, block35_1_conv, scale 0\.2\).* has .*block2\.1"):
        convert(path)


def test_another_epsilon_is_moved_into_the_variances(tmp_path):
    source = of("Keras|keras-inception-resnet")
    found = convert(described(tmp_path / "file.h5", source, '"epsilon": 0.001', '"epsilon": 0.002'))
    (theirs,) = found.origin["stages.0.0.pooled.norm.var"]
    np.testing.assert_allclose(
        found.tensors["stages.0.0.pooled.norm.var"], golden_file(source)[theirs] + np.float32(0.001), rtol=1e-6
    )
    assert "variances raised by 0.001" in found.card.note


def test_a_scale_by_a_lambda_layer_is_accepted():
    """Keras 2 has no layer for it."""
    scaled = Layer("Lambda", {"arguments": {"scale": 0.17}}, ("x", "y"))
    other = Layer("Lambda", {"arguments": {}}, ("x", "y"))
    graph = Graph({"scaled": scaled, "other": other}, {"x", "y"}, {})
    assert graph.computation("scaled") == "scaled_add(x, y, scale 0.17)"
    assert graph.computation("other") == "Lambda(x, y)"
