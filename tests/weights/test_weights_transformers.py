"""Files of transformers, with the names that other libraries give their tensors (golden/make_transformers.py)."""

import re
from pathlib import Path

import numpy as np
import pytest
from goldens import golden_file, sources
from weight_files import in_format, random_tensors, write_safetensors

from tljax.core.errors import UserError
from tljax.models import vit
from tljax.models.normalisation import NORMALISATIONS
from tljax.models.transformer import Architecture
from tljax.weights import convert, save, verify
from tljax.weights.export import export

GOLDEN = np.load(Path(__file__).resolve().parents[1] / "golden" / "transformers.npz")
SOURCES = sources(GOLDEN)


def of(start: str) -> str:
    return next(source for source in SOURCES if source.startswith(start))


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_of_each_source_is_read_by_its_own_names(source, tmp_path):
    _, form, backbone, variant = source.split("|")
    found = convert(write_safetensors(tmp_path / "file.safetensors", golden_file(GOLDEN, source)))
    assert (found.card.format, found.card.backbone, found.card.variant) == (form, backbone, variant)
    origin = {ours: list(theirs) for ours, theirs in found.origin.items() if not ours.startswith("head.")}
    assert origin == {line.split()[0]: line.split()[1:] for line in GOLDEN[f"{source}|origin"]}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("DINOv2's repository|", {"mask_token"}),
        ("DINO's repository|", {"head.mlp.0.weight", "head.last_layer.weight_v"}),
        ("MAE, RETFound|", {"decoder_embed.weight", "decoder_blocks.0.attn.qkv.weight", "mask_token"}),
        ("transformers, MAE, file|", {"decoder.decoder_pred.weight", "decoder.mask_token"}),
        ("open_clip, BiomedCLIP's tower|", {"text.proj.0.weight", "visual.head.proj.weight", "logit_scale"}),
        ("open_clip|", {"visual.proj", "text_projection", "transformer.resblocks.0.ln_1.weight"}),
        ("transformers, CLIP, file|", {"visual_projection.weight", "text_model.final_layer_norm.weight"}),
        ("transformers, ViT, file|", {"pooler.dense.weight"}),
    ],
)
def test_what_is_no_part_of_the_network_is_left_out(source, names, tmp_path):
    found = convert(write_safetensors(tmp_path / "file.safetensors", golden_file(GOLDEN, of(source))))
    assert names <= set(found.aside)
    assert found.card.classes is None


@pytest.mark.parametrize(
    ("source", "normalisation"),
    [
        ("timm|timm-vit", "inception"),
        ("timm, DINOv2|", "imagenet"),
        ("MAE, RETFound|", "imagenet"),
        ("open_clip, BiomedCLIP's tower|", "clip"),
        ("transformers, ViT, file|", "inception"),
        ("transformers, DINOv2 (RAD-DINO), file|", "imagenet"),
    ],
)
def test_the_input_is_what_the_rule_says_unless_it_is_given(source, normalisation, tmp_path):
    path = write_safetensors(tmp_path / "file.safetensors", golden_file(GOLDEN, of(source)))
    assert convert(path).card.normalisation == NORMALISATIONS[normalisation]
    given = convert(path, normalisation="rad_dino")
    assert given.card.normalisation == NORMALISATIONS["rad_dino"]
    assert "rad_dino, as asked for" in given.card.note


def test_heads_are_converted_if_they_take_the_features(tmp_path):
    for source, head in (("timm|timm-vit", "head"), ("transformers, ViT with head, file|", "classifier")):
        file = golden_file(GOLDEN, of(source))
        found = convert(write_safetensors(tmp_path / f"{head}.safetensors", file))
        np.testing.assert_array_equal(found.tensors["head.kernel"], file[f"{head}.weight"].T)
        assert len(found.card.classes) == len(file[f"{head}.bias"])


def test_the_encoder_of_mae_alone_is_read_as_such_when_asked(tmp_path):
    """No tensor tells it from a supervised network."""
    file = {name: tensor for name, tensor in golden_file(GOLDEN, of("MAE, RETFound|")).items() if "decoder" not in name}
    del file["mask_token"]
    path = write_safetensors(tmp_path / "file.safetensors", file)
    assert convert(path).card.variant == "timm"
    assert convert(path, variant="mae").card.variant == "mae"
    with pytest.raises(UserError, match="other tensors"):
        convert(path, variant="dinov2")


def test_an_image_size_that_no_architecture_has_is_named(tmp_path):
    file = golden_file(GOLDEN, of("timm|timm-vit"))
    file["pos_embed"] = np.zeros((1, 1 + 25, 32), np.float32)
    with pytest.raises(UserError, match="4 blocks, width 32 and patches of 8 pixels, for images of 40 pixels"):
        convert(write_safetensors(tmp_path / "file.safetensors", file))


@pytest.mark.parametrize("source", ["timm|timm-vit", "transformers, DINOv2 (RAD-DINO), file|"])
def test_a_missing_and_an_extra_tensor_are_named(source, tmp_path):
    file = golden_file(GOLDEN, of(source))
    missing = next(name for name in file if name.endswith("3.mlp.fc2.bias"))
    tensor = file.pop(missing)
    with pytest.raises(UserError, match=f"lacks '{re.escape(missing)}'"):
        convert(write_safetensors(tmp_path / "missing.safetensors", file))
    extra = missing.replace("fc2", "fc3")
    with pytest.raises(UserError, match=f"no place in the network: '{re.escape(extra)}'"):
        convert(write_safetensors(tmp_path / "extra.safetensors", file | {missing: tensor, extra: tensor.copy()}))


def test_a_transformer_is_not_mistaken_for_another_network(tmp_path):
    path = write_safetensors(tmp_path / "file.safetensors", golden_file(GOLDEN, of("timm, DINOv2|")))
    with pytest.raises(UserError, match=r"holds a vit_tiny .*DINOv2.*, not a resnet50"):
        convert(path, backbone="resnet50")


@pytest.mark.parametrize("start", ["DINOv2's repository, reg", "open_clip|", "MAE, RETFound, fine-tuned"])
def test_a_network_is_exported_and_read_again(start, tmp_path):
    found = convert(write_safetensors(tmp_path / "file.safetensors", golden_file(GOLDEN, of(start))))
    save(tmp_path / "weights", found.tensors, found.card)
    export(tmp_path / "weights", tmp_path / "back.safetensors", "safetensors")
    again = convert(tmp_path / "back.safetensors")
    assert (again.card.variant, again.card.normalisation) == (found.card.variant, found.card.normalisation)
    for name, tensor in found.tensors.items():
        np.testing.assert_array_equal(again.tensors[name], tensor)


def test_a_conversion_is_checked_at_a_size_that_the_patches_divide(tmp_path, monkeypatch):
    monkeypatch.setitem(vit.ARCHITECTURES, "vit_odd", Architecture(32, 1, 2, 14, 56))
    tensors = in_format(random_tensors("vit_odd", "timm"), "timm-vit", "vit_odd", "timm")
    found = convert(write_safetensors(tmp_path / "file.safetensors", tensors))
    assert verify.our_outputs(found)["block1"].shape == (2, 5, 7, 32)
