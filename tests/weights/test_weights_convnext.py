"""PyTorch files of ConvNeXts, with the names that other libraries give their tensors (golden/make_convnext.py)."""

from pathlib import Path

import numpy as np
import pytest
from goldens import golden_file, sources
from safetensors import safe_open
from weight_files import in_format, random_tensors, write_safetensors

from tljax.core.errors import UserError
from tljax.models.normalisation import NORMALISATIONS
from tljax.weights import convert, reference, save, verify
from tljax.weights.catalogue import checkpoint
from tljax.weights.export import export

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "convnext.npz")
SOURCES = [source for source in sources(GOLDEN) if "Keras" not in source]
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
