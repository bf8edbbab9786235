"""Damaged images of every codec, as files and inside DICOM, are refused; missing parts are never filled in."""

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from archives import pixels, write_dicom
from PIL import Image, ImageFilter
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from tljax.datasets.decoding import BadImage, decode_bytes


def picture(side: int = 96) -> Image.Image:
    """An image with the texture of tissue."""
    return Image.fromarray(pixels(0, (side, side, 3))).filter(ImageFilter.GaussianBlur(2))


def saved(kind: str, image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, kind, **options)
    return buffer.getvalue()


CODECS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: saved("JPEG"),
    "progressive JPEG": lambda: saved("JPEG", progressive=True),
    "grey JPEG": lambda: saved("JPEG", picture().convert("L")),
    "CMYK JPEG": lambda: saved("JPEG", picture().convert("CMYK")),
    "small JPEG": lambda: saved("JPEG", picture(20)),
    "JPEG 2000": lambda: saved("JPEG2000"),
    "lossy JPEG 2000": lambda: saved("JPEG2000", irreversible=True, quality_mode="rates", quality_layers=[20, 10]),
    "JPEG 2000 codestream": lambda: saved("JPEG2000", no_jp2=True),
    "JPEG 2000 of tiles": lambda: saved("JPEG2000", tile_size=(32, 32)),
    "PNG": lambda: saved("PNG"),
    "WebP": lambda: saved("WEBP"),
    "lossless WebP": lambda: saved("WEBP", lossless=True),
    "TIFF, LZW": lambda: saved("TIFF", compression="tiff_lzw"),
    "TIFF, deflate": lambda: saved("TIFF", compression="tiff_adobe_deflate"),
    "TIFF, JPEG": lambda: saved("TIFF", compression="jpeg"),
    "TIFF, packbits": lambda: saved("TIFF", compression="packbits"),
}
END = b"\xff\xd9"  # of a JPEG and a JPEG 2000
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "half": lambda content: content[: len(content) // 2],
    "half and zeros": lambda content: content[: len(content) // 2].ljust(len(content), b"\0"),
    "half and an end": lambda content: content[: len(content) // 2] + END,
    "half, zeros and an end": lambda content: content[: len(content) // 2].ljust(len(content) - 2, b"\0") + END,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_picture_is_refused(codec, damage):
    with pytest.raises(BadImage):
        decode_bytes(DAMAGES[damage](CODECS[codec]()))


@pytest.mark.parametrize("codec", CODECS)
def test_a_whole_picture_is_read_also_with_bytes_after_its_end(codec):
    content = CODECS[codec]()
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image.convert("RGB"))
    for behind in (b"", b"something else"):
        np.testing.assert_array_equal(np.asarray(decode_bytes(content + behind).convert("RGB")), expected)


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000", "WEBP", "PNG"])
@pytest.mark.parametrize("side", [1, 8, 33, 700])
def test_an_image_of_few_colours_is_not_mistaken_for_damaged(kind, side):
    """Their data are short, and may end in zeros."""
    half = np.zeros((side, side, 3), np.uint8)
    half[: side // 3] = pixels(0, (side // 3, side, 3))
    for image in (Image.new("RGB", (side, side), 0), Image.new("RGB", (side, side), "white"), Image.fromarray(half)):
        assert decode_bytes(saved(kind, image)).size == (side, side)
    if kind == "JPEG":
        assert decode_bytes(saved(kind, image, optimize=True, progressive=True)).size == (side, side)


def test_a_png_with_a_wrong_checksum_or_without_its_end_is_refused():
    whole = saved("PNG")
    at = whole.index(b"IDAT")
    length = int.from_bytes(whole[at - 4 : at], "big")
    wrong = whole[: at + 4 + length] + b"\0\0\0\0" + whole[at + 8 + length :]
    with pytest.raises(BadImage, match="the checksum of its chunk IDAT is wrong"):
        decode_bytes(wrong)
    with pytest.raises(BadImage, match="it ends before its last chunk"):
        decode_bytes(whole[:-12])


def test_some_holes_in_the_data_of_a_jpeg_are_noticed():
    """After a hole, the rest is decoded out of step. Some holes leave no trace that a decoder could see."""
    whole, seen = CODECS["JPEG"](), 0
    places = range(700, len(whole) - 300, 50)
    for place in places:
        try:
            decode_bytes(whole[:place] + bytes(100) + whole[place + 100 :])
        except BadImage:
            seen += 1
    assert seen >= len(places) / 2


# --- inside DICOM -----------------------------------------------------------------------------------------------------


def in_dicom(path: Path, frame: bytes, syntax: str, array: np.ndarray, **tags) -> bytes:
    write_dicom(path, array, **tags)
    header = pydicom.dcmread(path)
    header.PixelData = encapsulate([frame])
    header["PixelData"].VR, header["PixelData"].is_undefined_length = "OB", True
    header.file_meta.TransferSyntaxUID = syntax
    header.save_as(path)
    return path.read_bytes()


def frame_of(path: Path, array: np.ndarray, syntax: str) -> bytes:
    write_dicom(path, array)
    header = pydicom.dcmread(path)
    header.compress(syntax)
    return get_frame(header.PixelData, 0, number_of_frames=1)


GREY = np.asarray(picture().convert("L"))
DEEP = GREY.astype(np.uint16) * 16 + pixels(3, GREY.shape) % 16
FRAMES = {
    "JPEG": (JPEGBaseline8Bit, GREY, lambda path: saved("JPEG", picture().convert("L"))),
    "JPEG 2000": (JPEG2000, DEEP, lambda path: saved("JPEG2000", Image.fromarray(DEEP), no_jp2=True)),
    "RLE": (RLELossless, DEEP, lambda path: frame_of(path, DEEP, RLELossless)),
    "JPEG-LS": (JPEGLSLossless, DEEP, lambda path: from_gdcm(path, DEEP, "JPEGLSLossless")),
    "lossless JPEG": (JPEGLosslessSV1, GREY, lambda path: from_gdcm(path, GREY, "JPEGLosslessProcess14_1")),
    "deep lossless JPEG": (JPEGLosslessSV1, DEEP, lambda path: from_gdcm(path, DEEP, "JPEGLosslessProcess14_1")),
}


def from_gdcm(path: Path, array: np.ndarray, syntax: str) -> bytes:
    """A frame that gdcm compresses."""
    gdcm = pytest.importorskip("gdcm", reason="gdcm makes these frames")
    write_dicom(path, array)
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return get_frame(pydicom.dcmread(path).PixelData, 0, number_of_frames=1)


@pytest.mark.parametrize("codec", FRAMES)
def test_a_damaged_picture_inside_dicom_is_refused_and_a_whole_one_read(codec, tmp_path, capfd):
    syntax, array, make = FRAMES[codec]
    frame = make(tmp_path / "a.dcm")
    bits = {"BitsStored": 12, "HighBit": 11} if array.itemsize > 1 else {}
    whole = np.asarray(decode_bytes(in_dicom(tmp_path / "a.dcm", frame, syntax, array, **bits)))
    assert np.corrcoef(whole.reshape(-1), array.reshape(-1))[0, 1] > 0.98
    for damaged in (damage(frame) for damage in DAMAGES.values()):
        with pytest.raises(BadImage):
            decode_bytes(in_dicom(tmp_path / "b.dcm", damaged, syntax, array, **bits))
    assert "Corrupt JPEG data" not in capfd.readouterr().err


def test_other_text_on_standard_error_is_passed_on(capfd):
    import os

    from tljax.datasets.decoding.damage import warnings_of_libjpeg_as_errors

    with warnings_of_libjpeg_as_errors(True):
        os.write(2, b"hello\n")
    with pytest.raises(BadImage, match="premature end of data segment"), warnings_of_libjpeg_as_errors(True):
        os.write(2, b"hello again\nCorrupt JPEG data: premature end of data segment\n")
    assert capfd.readouterr().err == "hello\nhello again\n"


def test_pydicoms_own_pictures_are_whole():
    """They come from many programs; none may be refused as damaged."""
    names = "SC_rgb_jpeg_dcmtk SC_rgb_jpeg_gdcm MR_small_jp2klossless MR_small_RLE SC_rgb_jls_lossy_line"
    for name in [*names.split(), "J2K_pixelrep_mismatch", "693_J2KI", "examples_jpeg2k"]:
        if path := get_testdata_file(f"{name}.dcm", download=False):
            decode_bytes(Path(path).read_bytes())


def test_our_limit_of_pixels_replaces_pillows_without_warnings():
    def header(width: int, height: int) -> bytes:
        content = saved("PNG", Image.new("1", (8, 8)))
        facts = width.to_bytes(4, "big") + height.to_bytes(4, "big") + content[24:29]
        return content[:16] + facts + zlib.crc32(b"IHDR" + facts).to_bytes(4, "big") + content[33:]

    with pytest.raises(BadImage, match="is 20000 x 10001, more than 200 million pixels"):
        decode_bytes(header(20_000, 10_001))
    for width in (9_000, 19_900):  # 90 and 199 million: what is there does not suffice
        with pytest.raises(BadImage, match="corrupt or truncated"):
            decode_bytes(header(width, 10_000))
