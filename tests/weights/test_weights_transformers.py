"""Files of transformers, with the names that other libraries give their tensors (golden/make_transformers.py)."""

import math
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
from tljax.weights.transformer import positions as fixed
from tljax.weights.transformer.names import TIMM

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
def test_tensors_outside_of_the_network_are_left_out(source, names, tmp_path):
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
def test_the_input_is_that_of_the_rule_unless_it_is_given(source, normalisation, tmp_path):
    path = write_safetensors(tmp_path / "file.safetensors", golden_file(GOLDEN, of(source)))
    assert convert(path).card.normalisation == NORMALISATIONS[normalisation]
    given = convert(path, normalisation="rad_dino")
    assert given.card.normalisation == NORMALISATIONS["rad_dino"]
    assert "input rad_dino, by --normalisation" in given.card.note


def test_heads_are_converted_if_they_take_the_features(tmp_path):
    for source, head in (("timm|timm-vit", "head"), ("transformers, ViT with head, file|", "classifier")):
        file = golden_file(GOLDEN, of(source))
        found = convert(write_safetensors(tmp_path / f"{head}.safetensors", file))
        np.testing.assert_array_equal(found.tensors["head.kernel"], file[f"{head}.weight"].T)
        assert len(found.card.classes) == len(file[f"{head}.bias"])


def test_the_encoder_of_mae_alone_is_read_with_a_variant(tmp_path):
    """Its tensors are those of a supervised network."""
    file = {name: tensor for name, tensor in golden_file(GOLDEN, of("MAE, RETFound|")).items() if "decoder" not in name}
    del file["mask_token"]
    path = write_safetensors(tmp_path / "file.safetensors", file)
    assert convert(path).card.variant == "timm"
    assert convert(path, variant="mae").card.variant == "mae"
    with pytest.raises(UserError, match="other tensors"):
        convert(path, variant="dinov2")


def waves(row_first: bool) -> np.ndarray:
    """The fixed positions of 4 x 4 patches and 32 channels: sine and cosine of one coordinate, then of the other."""
    found = np.zeros((1, 17, 32), np.float32)
    for row in range(4):
        for column in range(4):
            parts = [wave(x / 10000 ** (k / 8)) for x in ((row, column) if row_first else (column, row))
                     for wave in (math.sin, math.cos) for k in range(8)]  # fmt: skip
            found[0, 1 + 4 * row + column] = parts
    return found


@pytest.mark.parametrize(
    ("source", "variant"), [("timm|timm-vit", "mae"), ("transformers, ViT, file|", "mae_transformers")]
)
def test_the_encoder_of_mae_alone_is_known_by_its_positions(source, variant, tmp_path):
    file = {name: tensor for name, tensor in golden_file(GOLDEN, of(source)).items() if not name.startswith("head.")}
    (name,) = (name for name in file if name.endswith(("pos_embed", "position_embeddings")))
    file[name] = waves(row_first=False).astype(np.float16)
    found = convert(write_safetensors(tmp_path / "file.safetensors", file)).card
    assert (found.variant, found.normalisation) == (variant, NORMALISATIONS["imagenet"])
    assert "MAE's fixed ones" in found.note
    asked = of(source).split("|")[3]
    assert convert(tmp_path / "file.safetensors", variant=asked).card.variant == asked


def test_moco_v3_is_known_by_its_positions(tmp_path):
    file = golden_file(GOLDEN, of("timm|timm-vit"))
    file["pos_embed"] = waves(row_first=True)
    found = convert(write_safetensors(tmp_path / "file.safetensors", file)).card
    assert (found.variant, found.normalisation) == ("timm", NORMALISATIONS["imagenet"])
    assert "MoCo v3's fixed ones" in found.note


def test_the_narrow_network_of_moco_v3_has_more_heads():
    row, column = np.divmod(np.arange(4), 2)
    angles = 1 / 10000 ** (np.arange(96) / 96)
    grid = [wave(x[:, None] * angles) for x in (row, column) for wave in (np.sin, np.cos)]
    positions = np.concatenate([np.zeros((1, 384)), np.concatenate(grid, axis=1)])
    assert fixed.described(positions[None], "mae", has_head=False).variant == "moco_v3_small"
    assert fixed.described(positions[None] + 0.01, "mae", has_head=False).variant is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pos_embed": (1, 16, 32)}, r"whose class token has no position .* 16 position embeddings, 4 squared"),
        ({"pos_embed": (1, 16, 32), "cls_token": None}, "without class token"),
        ({"pos_embed": (1, 21, 32)}, "21 position embeddings, which are no square grid and 1 more"),
        ({"dist_token": (1, 1, 32)}, "a distilled vision transformer .*'dist_token'"),
        ({"blocks.0.mlp.w12.weight": (64, 32)}, r"gated perceptrons \(SwiGLU\).*'blocks\.0\.mlp\.w12\.weight'"),
    ],
)
def test_relatives_are_refused_by_their_names(change, message, tmp_path):
    file = golden_file(GOLDEN, of("timm|timm-vit"))
    for name, shape in change.items():
        if shape is None:
            del file[name]
        else:
            file[name] = np.full(shape, 0.5, np.float32)
    with pytest.raises(UserError, match=message):
        convert(write_safetensors(tmp_path / "file.safetensors", file))


def test_images_and_patches_of_other_sizes_have_names_that_are_not_listed():
    found = vit.ARCHITECTURES["vit_base_patch32_448"]
    assert (found.width, found.patch, found.image, found.grid) == (768, 32, 448, 14)
    assert "vit_base_patch32_448" in vit.ARCHITECTURES and "vit_base_patch32_448" not in list(vit.ARCHITECTURES)
    for name in ("vit_base_patch32_450", "vit_huge_patch16_224", "vit_base", 3):
        assert name not in vit.ARCHITECTURES
    shapes = {"patch_embed.proj.weight": (384, 3, 16, 16), "pos_embed": (1, 257, 384), "cls_token": (1, 1, 384)}
    shapes |= {f"blocks.{block}.attn.qkv.bias": (1152,) for block in range(12)}
    assert TIMM.identify(shapes, "timm") == ("vit_small_patch16_256", "timm")


def test_a_training_checkpoint_of_dinov2_gives_the_teacher(tmp_path):
    file = golden_file(GOLDEN, of("DINOv2's repository|"))
    both = {f"{role}.backbone.{name}": tensor + (role == "student") for name, tensor in file.items()
            for role in ("student", "teacher")}  # fmt: skip
    both |= {"teacher.dino_head.mlp.0.weight": np.ones((4, 32), np.float32), "dino_loss.center": np.ones(4, np.float32)}
    found = convert(write_safetensors(tmp_path / "file.safetensors", both))
    np.testing.assert_array_equal(found.tensors["norm.bias"], file["norm.bias"])
    assert "read from 'teacher.backbone.', not from 'student.backbone.'" in found.card.note


def test_the_projection_of_timms_clip_is_no_head(tmp_path):
    file = golden_file(GOLDEN, of("timm, CLIP|"))
    file |= {"head.weight": np.ones((6, 32), np.float32), "head.bias": np.zeros(6, np.float32)}
    found = convert(write_safetensors(tmp_path / "file.safetensors", file))
    assert found.card.classes is None and "its bias is zero" in found.card.note
    file["head.bias"] = np.ones(6, np.float32)
    assert len(convert(write_safetensors(tmp_path / "tuned.safetensors", file)).card.classes) == 6


def test_an_unknown_image_size_is_named(tmp_path):
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
