"""`--verify` of files of transformers, by the libraries that they come from; skipped where these are not installed."""

import pytest
from weight_files import in_format, random_tensors, write_torch

from tljax.core.errors import UserError
from tljax.weights import convert, reference, verify


@pytest.fixture
def library():
    """Imports a library, or skips the test."""

    def wanted(name: str) -> None:
        reference.declare_torchvision_operators()
        pytest.importorskip(name)

    return wanted


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("package", "form", "variant", "layers"),
    [
        ("timm", "timm-vit", "timm_reg", 6),
        ("timm", "timm-vit", "timm_no_qkv_bias", 6),
        ("timm", "timm-vit", "moco_v3_small", 6),
        ("transformers", "huggingface-vit", "transformers_no_qkv_bias", 5),
        ("transformers", "huggingface-dinov2", "dinov2_transformers", 5),
    ],
)
def test_a_transformer_equals_the_network_of_its_library(package, form, variant, layers, library, tmp_path):
    """Also at an image size for which positions are resized."""
    library(package)
    path = write_torch(tmp_path / "w.pth", in_format(random_tensors("vit_tiny", variant), form, "vit_tiny", variant))
    conversion = convert(path, variant=variant)
    title, theirs = verify.original_outputs(path, conversion)
    found = verify.differences(verify.our_outputs(conversion), theirs)
    assert package in title and len(found) == layers
    assert max(found.values()) < 1e-5, found


def test_verify_is_refused_for_a_format_without_an_original_network(tmp_path):
    tensors = in_format(random_tensors("vit_tiny", "mae"), "mae", "vit_tiny", "mae")
    decoder = {"decoder_embed.weight": tensors["patch_embed.proj.weight"].reshape(32, -1)}
    path = write_torch(tmp_path / "w.pth", tensors | decoder)
    with pytest.raises(UserError, match="there is no original network for files of MAE"):
        verify.original_outputs(path, convert(path))
