"""Images of every kind become 8-bit RGB by the stated rules, or are refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from archives import pixels, write_dicom
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_voi_lut, get_decoder
from pydicom.uid import JPEG2000Lossless, RLELossless

from tljax.datasets.decoding import BadImage, decode_file, is_image
from tljax.datasets.decoding.scaling import stretch


def decoded(path: Path) -> np.ndarray:
    return np.asarray(decode_file(path))


# --- files of a photographer ------------------------------------------------------------------------------------------


def test_16_bit_png_is_stretched_where_pillow_would_clip(tmp_path):
    stored = (pixels(0).astype(np.uint16) + 1) * 200
    Image.fromarray(stored).save(tmp_path / "deep.png")
    found = decoded(tmp_path / "deep.png")
    np.testing.assert_array_equal(found, stretch(stored))
    assert found.min() == 0 and found.max() == 255 and len(np.unique(found)) > 50


@pytest.mark.parametrize(
    ("mode", "suffix"), [("CMYK", "jpg"), ("P", "png"), ("RGBA", "png"), ("LA", "png"), ("1", "png")]
)
def test_every_8_bit_mode_becomes_rgb(tmp_path, mode, suffix):
    colour = Image.new("RGB", (20, 20), (255, 255, 255))
    colour.convert(mode).save(tmp_path / f"image.{suffix}")
    decoded = np.asarray(decode_file(tmp_path / f"image.{suffix}").convert("RGB"))
    np.testing.assert_allclose(decoded.astype(int), 255, atol=8)


def deep_png(colours: np.ndarray) -> bytes:
    """A PNG of 16 bits a colour (`h w 3`, uint16), which Pillow reads and does not write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = colours.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in colours)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def test_colours_of_16_bits_are_refused_as_half_of_them_would_be_lost(tmp_path):
    (tmp_path / "deep.png").write_bytes(deep_png(np.full((4, 4, 3), 900, np.uint16)))
    with pytest.raises(BadImage, match="colours of 16 bits"):
        decode_file(tmp_path / "deep.png")


def test_big_endian_16_bit_tiff_is_stretched(tmp_path):
    stored = (pixels(0).astype(np.uint16) * 16).astype(">u2")
    tags = [(256, 20), (257, 20), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 20), (279, stored.nbytes)]
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack(">H", len(tags)) + entries + bytes(4)
    (tmp_path / "deep.tif").write_bytes(b"MM\0*" + struct.pack(">I", 8 + stored.nbytes) + stored.tobytes() + directory)
    np.testing.assert_array_equal(decoded(tmp_path / "deep.tif"), stretch(stored))


def test_a_photograph_is_turned_upright(tmp_path):
    lines, orientation = np.repeat(np.arange(0, 240, 8, dtype=np.uint8)[:, None], 20, 1), Image.Exif()
    orientation[0x0112] = 6  # the camera was held turned by 90 degrees
    Image.fromarray(lines).save(tmp_path / "photo.jpg", exif=orientation, quality=100)
    np.testing.assert_allclose(decoded(tmp_path / "photo.jpg").astype(int), np.rot90(lines, -1), atol=3)


def test_the_preview_in_a_photograph_does_not_count_as_a_frame(tmp_path):
    photo, preview = (Image.fromarray(pixels(seed, (side, side, 3))) for seed, side in ((0, 20), (1, 8)))
    photo.save(tmp_path / "photo.jpg", format="MPO", save_all=True, append_images=[preview])
    assert decoded(tmp_path / "photo.jpg").shape == (20, 20, 3)


def test_postscript_is_refused_because_it_would_start_a_program(tmp_path):
    (tmp_path / "image.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(BadImage, match="is a PostScript file"):
        decode_file(tmp_path / "image.png")


# --- DICOM ------------------------------------------------------------------------------------------------------------


def test_monochrome1_is_inverted(tmp_path):
    for name, kind in (("one", "MONOCHROME1"), ("two", "MONOCHROME2")):
        write_dicom(tmp_path / f"{name}.dcm", pixels(0).astype(np.int16) - 100, PhotometricInterpretation=kind)
    one, two = (np.asarray(decode_file(tmp_path / f"{name}.dcm")).astype(int) for name in ("one", "two"))
    np.testing.assert_array_equal(one, 255 - two)


def test_dicom_window_is_in_rescaled_units(tmp_path):
    stored = np.array([[0, 1000, 1100], [1200, 1300, 4000]], np.uint16)
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": [1300, 0], "WindowWidth": [601, 1]}
    write_dicom(tmp_path / "ct.dcm", stored, **tags)
    units = stored * 2.0 - 1000
    expected = np.clip((units - 999.5) / 600 * 255, 0, 255)
    np.testing.assert_allclose(np.asarray(decode_file(tmp_path / "ct.dcm")), expected, atol=0.51)


def test_a_slope_below_zero_inverts_with_a_window_and_without(tmp_path):
    stored = pixels(0).astype(np.int16) * 4
    units = -1.0 * stored + 100
    write_dicom(tmp_path / "bare.dcm", stored, RescaleSlope=-1, RescaleIntercept=100)
    np.testing.assert_array_equal(decoded(tmp_path / "bare.dcm"), 255 - stretch(stored))
    window = {"WindowCenter": -400, "WindowWidth": 801}
    write_dicom(tmp_path / "window.dcm", stored, RescaleSlope=-1, RescaleIntercept=100, **window)
    expected = np.clip((units + 800.5) / 800 * 255, 0, 255)
    np.testing.assert_allclose(decoded(tmp_path / "window.dcm"), expected, atol=0.51)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("stored", [pixels(0).astype(np.uint16) * 250, pixels(0, (600, 4)).astype(np.uint16) * 4])
def test_each_function_of_a_window_is_applied(tmp_path, function, stored):
    write_dicom(tmp_path / "mr.dcm", stored, WindowCenter=500, WindowWidth=700, VOILUTFunction=function)
    expected = apply_voi_lut(stored, pydicom.dcmread(tmp_path / "mr.dcm")) / 65535 * 255
    np.testing.assert_allclose(decoded(tmp_path / "mr.dcm"), expected, atol=0.51)


@pytest.mark.filterwarnings("error")
def test_a_sigmoid_far_below_its_window_is_black(tmp_path):
    stored = np.array([[0, 60000, 60002], [0, 0, 60001]], np.uint16)
    write_dicom(tmp_path / "mr.dcm", stored, WindowCenter=60001, WindowWidth=2, VOILUTFunction="SIGMOID")
    assert decoded(tmp_path / "mr.dcm")[:, 0].tolist() == [0, 0] and decoded(tmp_path / "mr.dcm")[1, 2] == 128


DEEP = pixels(0).astype(np.uint16) * 16


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": None, "WindowWidth": None, "RescaleSlope": None, "RescaleIntercept": None},
        {"WindowCenter": 100},
        {"WindowCenter": [], "WindowWidth": [], "VOILUTSequence": []},
        {"NumberOfFrames": None, "BitsStored": 12, "HighBit": 11},
    ],
)
@pytest.mark.filterwarnings("ignore:.*'Number of Frames' is invalid")
def test_empty_and_half_stated_elements_count_as_absent(tmp_path, tags):
    write_dicom(tmp_path / "image.dcm", DEEP, **tags)
    np.testing.assert_array_equal(decoded(tmp_path / "image.dcm"), stretch(DEEP))


def test_signed_12_bit_pixels_keep_their_sign(tmp_path):
    signed = pixels(0).astype(np.int16) * 8 - 1000
    write_dicom(tmp_path / "ct.dcm", signed & 0x0FFF, BitsStored=12, HighBit=11, PixelRepresentation=1)
    np.testing.assert_array_equal(decoded(tmp_path / "ct.dcm"), stretch(signed))


def test_padding_does_not_take_part_in_the_stretch(tmp_path):
    padded = pixels(0).astype(np.int16)
    padded[:, :5] = -32000
    write_dicom(tmp_path / "ct.dcm", padded, PixelPaddingValue=-32000)
    found = decoded(tmp_path / "ct.dcm")
    np.testing.assert_array_equal(found[:, 5:], stretch(padded[:, 5:]))
    assert (found[:, :5] == 0).all()


def test_a_range_of_padding_does_not_take_part_in_the_stretch(tmp_path):
    padded = pixels(0).astype(np.int16)
    padded[:, :5] = np.linspace(-3000, -2000, 100).reshape(20, 5)
    write_dicom(tmp_path / "ct.dcm", padded, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-3000)
    found = decoded(tmp_path / "ct.dcm")
    np.testing.assert_array_equal(found[:, 5:], stretch(padded[:, 5:]))
    assert (found[:, :5] == 0).all()


def test_a_window_outside_all_values_is_refused(tmp_path):
    write_dicom(tmp_path / "image.dcm", DEEP, WindowCenter=30000, WindowWidth=10)
    with pytest.raises(BadImage, match="shows a single grey with its own window"):
        decode_file(tmp_path / "image.dcm")


def compressed(path: Path, syntax: str, tmp_path: Path) -> None:
    write_dicom(path, DEEP)
    file = pydicom.dcmread(path)
    if syntax == RLELossless:
        file.compress(syntax)
    else:
        Image.fromarray(DEEP).save(tmp_path / "image.j2k", no_jp2=True)
        file.PixelData = encapsulate([(tmp_path / "image.j2k").read_bytes()])
        file["PixelData"].VR, file["PixelData"].is_undefined_length = "OB", True
        file.file_meta.TransferSyntaxUID = syntax
    file.save_as(path)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_losslessly_compressed_pixels_are_the_same(tmp_path, syntax):
    compressed(tmp_path / "image.dcm", syntax, tmp_path)
    np.testing.assert_array_equal(decoded(tmp_path / "image.dcm"), stretch(DEEP))


LOSSLESS_JPEG = (
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_jls_lossy_line.dcm",
)  # pydicom's own; next to them are the same images uncompressed


@pytest.mark.parametrize("name", LOSSLESS_JPEG)
def test_lossless_jpeg_is_decoded_or_says_what_it_needs(name):
    path = Path(get_testdata_file(name, download=False))
    if get_decoder(pydicom.dcmread(path).file_meta.TransferSyntaxUID).is_available:
        plain = decoded(Path(get_testdata_file("SC_rgb_rle.dcm", download=False)))
        np.testing.assert_allclose(decoded(path).astype(int), plain, atol=8)
    else:
        with pytest.raises(BadImage, match="no decoder is installed; `pip install python-gdcm`"):
            decode_file(path)


@pytest.mark.parametrize("name", ["SC_rgb_jpeg_dcmtk.dcm", "SC_ybr_full_422_uncompressed.dcm"])
def test_dicom_colours_become_rgb(name):
    """pydicom's own test pictures: bars of pure colours, red first."""
    image = decoded(Path(get_testdata_file(name, download=False)))
    np.testing.assert_allclose(image[5, 50].astype(int), (255, 0, 0), atol=10)


def test_dicom_is_known_by_its_content(tmp_path):
    write_dicom(tmp_path / "1.2.840.99", DEEP)
    write_dicom(tmp_path / "DICOMDIR", DEEP)
    write_dicom(tmp_path / "medium" / "dicomdir", DEEP)
    whole = (tmp_path / "1.2.840.99").read_bytes()
    (tmp_path / "no_preamble.dcm").write_bytes(whole[132:])
    bare = pydicom.dcmread(tmp_path / "1.2.840.99")
    bare.file_meta, bare.preamble = pydicom.dataset.FileMetaDataset(), None
    for implicit in (True, False):
        path = tmp_path / f"bare{implicit}.dcm"
        pydicom.dcmwrite(path, bare, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    for name in ("1.2.840.99", "no_preamble.dcm", "bareTrue.dcm", "bareFalse.dcm"):
        assert is_image(tmp_path / name)
        np.testing.assert_array_equal(decoded(tmp_path / name), stretch(DEEP))
    assert not any(map(is_image, (tmp_path / "DICOMDIR", tmp_path / "medium" / "dicomdir", tmp_path)))
