"""Files of ConvNeXts, with the names that other libraries give their tensors (golden/make_convnext.py)."""

import json
import re
import zipfile
from functools import partial
from pathlib import Path

import h5py
import keras
import keras_network
import numpy as np
import pytest
from goldens import golden_file, sources
from keras.src.applications import convnext as keras_convnext
from keras.src.legacy.saving import legacy_h5_format
from safetensors import safe_open
from weight_files import in_format, random_tensors, write_safetensors

from tljax.core.errors import UserError
from tljax.models.convnext import ARCHITECTURES
from tljax.models.normalisation import NORMALISATIONS
from tljax.weights import convert, reference, save, verify
from tljax.weights.catalogue import checkpoint
from tljax.weights.convnext.reference import KERAS_NETWORKS
from tljax.weights.export import export

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras writing HDF5

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "convnext.npz")
SOURCES = [source for source in sources(GOLDEN) if "Keras" not in source]
PARTS = {"depthwise_conv": "depthwise", "layernorm": "norm", "pointwise_conv_1": "up", "pointwise_conv_2": "down"}
FORMATS = ["torchvision-convnext", "timm-convnext", "convnext", "huggingface-dinov3-convnext"]


def file_of(form: str, path: Path, *changes) -> Path:
    """Writes a file with the weights of the tests, after `change`."""
    state = in_format(random_tensors("convnext_micro", "torch"), form, "convnext_micro", "torch")
    for change in changes:
        change(state)
    return write_safetensors(path / "file.safetensors", state)


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_of_each_source_is_read_by_its_own_names(source, tmp_path):
    _, form, backbone, variant = source.split("|")
    found = convert(write_safetensors(tmp_path / "file.safetensors", golden_file(GOLDEN, source)))
    assert (found.card.format, found.card.backbone, found.card.variant) == (form, backbone, variant)
    assert found.card.normalisation == NORMALISATIONS["imagenet"]
    origin = {ours: list(theirs) for ours, theirs in found.origin.items() if not ours.startswith("head.")}
    assert origin == {line.split()[0]: line.split()[1:] for line in GOLDEN[f"{source}|origin"]}


@pytest.mark.parametrize("form", FORMATS)
def test_conversion_keeps_every_value(form, tmp_path):
    expected = random_tensors("convnext_micro", "torch")
    found = convert(file_of(form, tmp_path))
    assert found.card.format == form
    assert {name for name in expected if name not in found.tensors} in (set(), {"head.kernel", "head.bias"})
    for name, tensor in found.tensors.items():
        np.testing.assert_array_equal(tensor, expected[name])


def test_the_input_can_be_overridden(tmp_path):
    assert "--normalisation clip" in convert(file_of("timm-convnext", tmp_path)).card.note
    found = convert(file_of("timm-convnext", tmp_path), normalisation="clip", variant="transformers")
    assert found.card.normalisation == NORMALISATIONS["clip"] and found.card.variant == "transformers"


def test_dinov3s_norms_of_stages_are_left_out(tmp_path):
    norm = {"norms.3.weight": np.ones(32, np.float32), "norms.3.bias": np.ones(32, np.float32)}
    assert set(convert(file_of("convnext", tmp_path, lambda state: state.update(norm))).aside) == norm.keys()


ONES = np.ones(3, np.float32)


def norm_before_pooling(state: dict[str, np.ndarray]) -> None:
    for leaf in ("weight", "bias"):
        state[f"norm_pre.{leaf}"] = state.pop(f"head.norm.{leaf}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("stages.2.blocks.0.gamma"), r"lacks 'stages\.2\.blocks\.0\.gamma'"),
        (
            lambda s: s.update({"stages.2.blocks.0.beta": np.ones(3, np.float32)}),
            r"no place .*'stages\.2\.blocks\.0\.beta'",
        ),
        (lambda s: s.update({"stem.0.weight": np.ones((8, 1, 4, 4), np.float32)}), "1 channel, but ours takes 3"),
        (lambda s: s.update({"stem.0.weight": np.ones((8, 3, 3, 3), np.float32)}), "this kernel is 3 x 3"),
        (
            lambda s: s.update({"stages.1.blocks.0.conv_dw.weight": np.ones((16, 1, 5, 5), np.float32)}),
            "this kernel is 5 x 5",
        ),
        (lambda s: s.update({"stages.0.blocks.0.mlp.grn.weight": np.ones(32, np.float32)}), "a ConvNeXt V2"),
        (
            lambda s: s.update(
                {"norm_pre.weight": s.pop("head.norm.weight"), "norm_pre.bias": s.pop("head.norm.bias")}
            ),
            "LayerNorm comes before pooling",
        ),
        (
            lambda s: s.update({name.replace("3.blocks.0", "3.blocks.1"): s[name].copy() for name in [*s]}),
            r"a ConvNeXt of \(2, 1, 1, 2\) blocks and widths \(8, 16, 24, 32\)",
        ),
    ],
)
def test_other_networks_are_refused_by_name(change, message, tmp_path):
    with pytest.raises(UserError, match=message):
        convert(file_of("timm-convnext", tmp_path, change))


def test_another_family_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"holds a convnext_micro \(torchvision, ConvNeXt\), not a resnet50"):
        convert(file_of("torchvision-convnext", tmp_path), backbone="resnet50")
    resnet = in_format(random_tensors("resnet_tiny", "torch_v1.5"), "torchvision", "resnet_tiny")
    with pytest.raises(UserError, match=r"holds a resnet_tiny .*, not a convnext_tiny"):
        convert(write_safetensors(tmp_path / "resnet.safetensors", resnet), backbone="convnext_tiny")


def test_export_has_torchvisions_names_and_reads_back(tmp_path):
    found = convert(file_of("timm-convnext", tmp_path))
    save(tmp_path / "weights", found.tensors, found.card)
    export(tmp_path / "weights", tmp_path / "back.safetensors", "safetensors")
    with safe_open(tmp_path / "back.safetensors", framework="numpy") as file:
        names = {line.split()[0] for line in GOLDEN["torchvision|torchvision-convnext|convnext_micro|torch|names"]}
        assert set(file.keys()) == names
    again = convert(tmp_path / "back.safetensors")
    assert again.tensors.keys() == found.tensors.keys()
    for name, tensor in found.tensors.items():
        np.testing.assert_array_equal(again.tensors[name], tensor)


@pytest.mark.parametrize(
    ("variant", "note"),
    [
        ("torch", "which loads the file unchanged"),
        ("transformers", "epsilon of its last LayerNorm is 1e-12, not 1e-06"),
        ("keras_norm_first", "pooling comes after its last LayerNorm"),
    ],
)
def test_an_export_states_how_it_differs_from_torchvision(variant, note, tmp_path):
    found = convert(file_of("torchvision-convnext", tmp_path), variant=variant)
    save(tmp_path / "weights", found.tensors, found.card)
    assert note in export(tmp_path / "weights", tmp_path / "back.pth", "torch")[0]


@pytest.mark.parametrize(
    ("form", "library", "title"),
    [
        ("torchvision-convnext", "torchvision", "torchvision's convnext_micro"),
        ("timm-convnext", "timm", "timm's convnext_micro"),
        ("huggingface-convnext", "transformers", "transformers.ConvNextForImageClassification"),
    ],
)
def test_verification_runs_the_librarys_own_network(form, library, title, tmp_path):
    reference.declare_torchvision_operators()
    pytest.importorskip(library)

    def with_classifier(state: dict[str, np.ndarray]) -> None:
        if form == "huggingface-convnext":
            kernel, bias = (random_tensors("convnext_micro", "torch")[f"head.{leaf}"] for leaf in ("kernel", "bias"))
            state |= {"classifier.weight": np.ascontiguousarray(kernel.T), "classifier.bias": bias}

    path = file_of(form, tmp_path, with_classifier)
    conversion = convert(path)
    found_title, theirs = verify.original_outputs(path, conversion)
    found = verify.differences(verify.our_outputs(conversion), theirs)
    assert found_title == title and found.keys() == {"stem", "stage1", "stage2", "stage3", "stage4", "logits"}
    assert max(found.values()) < 1e-5, found


@pytest.mark.parametrize("name", ["convnext-tiny", "convnext-small", "convnext-base"])
def test_the_published_checkpoints_are_supported(name):
    assert checkpoint(name).supported


# Keras


@pytest.fixture(scope="module")
def keras_networks():
    """Keras networks with the weights of the tests: with top, within a user's model, and with other inputs."""
    expected = random_tensors("convnext_micro", "keras")
    with keras_network.loosened():

        def made(**options):
            network = keras_convnext.ConvNeXt(
                (2, 1, 1, 1), (8, 16, 24, 32), name="my_net", weights=None, input_shape=(32, 32, 3), **options
            )
            for layer in [inner for outer in network.layers for inner in getattr(outer, "layers", [outer])]:
                layer.set_weights([_weight(expected, layer, weight) for weight in layer.weights])
            return network

        top = made(include_top=True, classes=3)
        head = [expected["head.kernel"], expected["head.bias"]]
        models = {"top": top}
        for kind, options in (("user", {}), ("pooled", {"pooling": "avg"})):
            body = made(include_top=False, **options)
            pooling = [] if options else [keras.layers.GlobalAveragePooling2D()]
            models[kind] = keras.Sequential([body, *pooling, keras.layers.Dense(3)])
            models[kind].build((None, 32, 32, 3))
            models[kind].layers[-1].set_weights(head)
        models["rescaled"] = keras.Sequential([keras.layers.Rescaling(1 / 255), models["pooled"].layers[0]])
        models["rescaled"].build((None, 32, 32, 3))
        models["no top"] = models["user"].layers[0]
        models["bare"] = made(include_top=False, pooling="avg", include_preprocessing=False)
    return models


def _weight(expected, layer, weight) -> np.ndarray:
    """Returns the tensor of a Keras layer, found without the format's names."""
    leaf = {"gamma": "scale", "beta": "bias"}.get(weight.name, weight.name)
    name = layer.name.removeprefix("my_net_")
    if found := re.fullmatch(r"stage_(\d)_block_(\d)_(\w+)", name):
        parts = {
            "depthwise_conv": "depthwise",
            "layernorm": "norm",
            "pointwise_conv_1": "up",
            "pointwise_conv_2": "down",
        }
        part = "scale" if found[3] == "layer_scale" else f"{parts[found[3]]}.{leaf}"
        return expected[f"stages.{found[1]}.{found[2]}.{part}"]
    if found := re.fullmatch(r"downsampling_(layernorm|conv)_(\d)", name):
        return expected[f"down_{found[1].replace('layer', '')}s.{found[2]}.{leaf}"]
    ours = {"stem_conv": "stem", "stem_layernorm": "stem_norm", "head_dense": "head"}.get(name, "norm")
    return expected[f"{ours}.{leaf}"]


def written(network, path: Path) -> Path:
    """Saves a Keras network in the format of the suffix; `.legacy.h5` has the layout of Keras 2."""
    with keras_network.loosened():
        if path.name.endswith(".legacy.h5"):
            with h5py.File(path, "w") as file:
                legacy_h5_format.save_weights_to_hdf5_group(file, network)
        elif path.name.endswith(".weights.h5"):
            network.save_weights(path)
        else:
            network.save(path)
    return path


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".legacy.h5", ".h5"])
@pytest.mark.parametrize(("kind", "variant"), [("top", "keras"), ("user", "keras_norm_first"), ("pooled", "keras")])
def test_keras_files_keep_every_value_and_show_the_place_of_pooling(kind, variant, suffix, keras_networks, tmp_path):
    expected = random_tensors("convnext_micro", "keras")
    found = convert(written(keras_networks[kind], tmp_path / f"file{suffix}"))
    assert (found.card.format, found.card.backbone, found.card.variant) == ("keras-convnext", "convnext_micro", variant)
    assert found.card.normalisation == NORMALISATIONS["imagenet"]
    if suffix == ".keras":
        other = {"keras": "keras_norm_first", "keras_norm_first": "keras"}[variant]
        with pytest.raises(UserError, match=f"--variant {other} contradicts them"):
            convert(tmp_path / f"file{suffix}", variant=other)
    assert found.tensors.keys() == expected.keys() and found.aside == ()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found.tensors[name], tensor)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".legacy.h5", ".h5"])
@pytest.mark.parametrize(("kind", "variant"), [("no top", "keras_norm_first"), ("bare", "keras")])
def test_a_network_without_a_head_shows_whether_it_pools(kind, variant, suffix, keras_networks, tmp_path):
    assert convert(written(keras_networks[kind], tmp_path / f"file{suffix}")).card.variant == variant


@pytest.mark.parametrize("kind", ["top", "user"])
def test_verification_runs_keras_own_network(kind, keras_networks, tmp_path, monkeypatch):
    size = ARCHITECTURES["convnext_micro"]
    micro = partial(keras_convnext.ConvNeXt, size.blocks, size.widths, name="convnext_micro")
    monkeypatch.setattr(keras.applications, "ConvNeXtMicro", micro, raising=False)
    monkeypatch.setitem(KERAS_NETWORKS, "convnext_micro", "ConvNeXtMicro")
    path = written(keras_networks[kind], tmp_path / "file.keras")
    conversion = convert(path)
    with keras_network.loosened():
        title, theirs = verify.original_outputs(path, conversion)
    found = verify.differences(verify.our_outputs(conversion), theirs)
    assert title == "keras.applications.ConvNeXtMicro"
    assert found.keys() == {"stem", "stage1", "stage2", "stage3", "stage4", "logits"}
    assert max(found.values()) < 1e-5, found


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_that_changes_the_pixels_before_the_network_is_refused(suffix, keras_networks, tmp_path):
    path = written(keras_networks["rescaled"], tmp_path / f"file{suffix}")
    with pytest.raises(UserError, match=r"change the pixels .*'rescaling"):
        convert(path)
    assert convert(path, normalisation="inception").card.normalisation == NORMALISATIONS["inception"]


def test_the_assumed_input_without_own_normalisation_is_stated(keras_networks, tmp_path):
    assert "include_preprocessing=False" in convert(written(keras_networks["bare"], tmp_path / "file.keras")).card.note


@pytest.mark.parametrize(
    ("layer", "change", "message"),
    [
        ("my_net_stage_0_block_1_layernorm", {"epsilon": 1e-3}, "epsilon 0.001, where a ConvNeXt has 1e-06"),
        ("my_net_stage_1_block_0_depthwise_conv", {"padding": "valid"}, "padding valid"),
        ("my_net_stage_1_block_0_pointwise_conv_1", {"activation": "relu"}, "activation relu"),
        ("my_net_stage_2_block_0_gelu", {"activation": "relu"}, "is not an exact GELU"),
    ],
)
def test_a_description_of_another_network_names_the_layer(layer, change, message, keras_networks, tmp_path):
    """The test changes the description in the file."""
    path = written(keras_networks["top"], tmp_path / "file.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    described = next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == layer)
    described["config"] |= change
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"config.json": json.dumps(config).encode()}).items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match=f"'{layer}' .*{message}"):
        convert(path)
