"""DICOM elements that contradict each other or the pixels are refused by name; what they agree on is read right."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
import simplejpeg
from archives import pixels, write_dicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1

from tljax.datasets.decoding import BadImage, decode_bytes, decode_file
from tljax.datasets.decoding.scaling import stretch

RAMP = np.linspace(0, 4000, 64).round().astype(np.uint16).reshape(8, 8)
COLOURS = pixels(0, (8, 8, 3))
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}


def table(first: int, entries: np.ndarray, order: str = "<") -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first % 65536, 12])
    item.add_new("LUTData", "OW", entries.astype(f"{order}u2").tobytes())
    return Sequence([item])


def grey(path: Path, array: np.ndarray = RAMP, **tags) -> np.ndarray:
    write_dicom(path, array, **{"BitsStored": 12, "HighBit": 11} | tags)
    return np.asarray(decode_file(path))


def coloured(path: Path, **tags) -> np.ndarray:
    tags = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"} | tags
    write_dicom(path, COLOURS[..., 0], **{"PixelData": COLOURS.tobytes()} | tags)
    return np.asarray(decode_file(path))


def compressed(path: Path, frame: bytes, syntax: str, array: np.ndarray = COLOURS, **tags) -> np.ndarray:
    """Decodes a file with a frame of any content, whose elements are those of `array`."""
    if array.ndim == 3:
        tags = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"} | tags
    write_dicom(path, array[..., 0] if array.ndim == 3 else array, **tags)
    file = pydicom.dcmread(path)
    file.PixelData, file.file_meta.TransferSyntaxUID = encapsulate([frame]), syntax
    file["PixelData"].VR, file["PixelData"].is_undefined_length = "OB", True
    file.save_as(path)
    return np.asarray(decode_file(path))


def jpeg_2000(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG2000", no_jp2=True, **options)
    return buffer.getvalue()


# --- after the window -------------------------------------------------------------------------------------------------


def test_a_presentation_shape_that_says_the_same_changes_nothing(tmp_path):
    plain = grey(tmp_path / "a.dcm", **WINDOW)
    np.testing.assert_array_equal(grey(tmp_path / "b.dcm", PresentationLUTShape="IDENTITY", **WINDOW), plain)
    inverse = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}
    np.testing.assert_array_equal(grey(tmp_path / "c.dcm", **inverse, **WINDOW), 255 - plain)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"PresentationLUTShape": "INVERSE"}, "MONOCHROME2 with the presentation LUT shape INVERSE"),
        ({"PresentationLUTShape": "LIN OD"}, "shape LIN OD"),
        (
            {"PresentationLUTShape": "IDENTITY", "PhotometricInterpretation": "MONOCHROME1"},
            "MONOCHROME1 with the presentation LUT shape IDENTITY",
        ),
        ({"PresentationLUTSequence": table(0, np.arange(4096))}, "presentation look-up table"),
        ({"PixelPresentation": "COLOR"}, "pixel presentation COLOR"),
    ],
)
def test_other_elements_that_change_the_display_are_refused(tmp_path, tags, message):
    with pytest.raises(BadImage, match=message):
        grey(tmp_path / "a.dcm", **tags)


# --- look-up tables ---------------------------------------------------------------------------------------------------


def test_a_table_begins_at_a_negative_value_also_if_all_pixels_are_above_zero(tmp_path):
    """Its first value, -2048, is written as 63488."""
    shown = grey(tmp_path / "a.dcm", (RAMP // 2).astype(np.int16), VOILUTSequence=table(-2048, np.arange(4096)))
    np.testing.assert_allclose(shown, (RAMP // 2 + 2048.0) * 255 / 4095, atol=0.51)


def test_a_table_in_a_big_endian_file_is_read_in_its_order(tmp_path):
    write_dicom(tmp_path / "a.dcm", RAMP, BitsStored=12, HighBit=11)
    file = pydicom.dcmread(tmp_path / "a.dcm")
    file.PixelData, file.VOILUTSequence = RAMP.astype(">u2").tobytes(), table(0, np.arange(4096), ">")
    file.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(tmp_path / "a.dcm", file, implicit_vr=False, little_endian=False)
    np.testing.assert_allclose(np.asarray(decode_file(tmp_path / "a.dcm")), RAMP * 255.0 / 4095, atol=0.51)


def test_a_table_that_shows_a_single_grey_is_refused(tmp_path):
    with pytest.raises(BadImage, match="a single grey with its own VOI look-up table"):
        grey(tmp_path / "a.dcm", VOILUTSequence=table(5000, np.arange(4096)))


def test_a_window_in_a_private_sequence_is_ignored(tmp_path):
    private, group, shared = Dataset(), Dataset(), Dataset()
    private.WindowCenter, private.WindowWidth = 9, 9
    group.add_new(0x20050010, "LO", "Some Company")
    group.add_new(0x2005140F, "SQ", [private])
    shared.FrameVOILUTSequence = Sequence([Dataset()])
    for name, value in WINDOW.items():
        setattr(shared.FrameVOILUTSequence[0], name, value)
    groups = {"PerFrameFunctionalGroupsSequence": [group], "SharedFunctionalGroupsSequence": [shared]}
    np.testing.assert_array_equal(grey(tmp_path / "a.dcm", **groups), grey(tmp_path / "b.dcm", **WINDOW))


# --- pixels that the elements do not describe -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"HighBit": 15}, "12 bits whose high bit is 15"),
        ({"Rows": 4}, "several frames, or are Rows and Columns wrong"),
        ({"PixelData": b""}, "pixels are empty"),
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 0}, "MONOCHROME2 with 3 samples per pixel"),
    ],
)
def test_elements_that_contradict_the_grey_pixels_are_refused(tmp_path, tags, message):
    with pytest.raises(BadImage, match=message):
        grey(tmp_path / "a.dcm", **tags)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"SamplesPerPixel": 1}, "RGB with 1 samples per pixel"),
        ({"PixelRepresentation": 1}, "colours of 8 signed bits"),
        ({"BitsStored": 7, "HighBit": 6}, "colours of 7 unsigned bits"),
        ({"PhotometricInterpretation": "YBR_FULL_422", "Columns": 7}, "7 columns, but their number must be even"),
        ({"PhotometricInterpretation": "YBR_RCT"}, "YBR_RCT colours, which the transfer syntax Explicit"),
        ({"PhotometricInterpretation": "YBR_PARTIAL_422"}, "YBR_PARTIAL_422 colours, which the transfer syntax"),
    ],
)
def test_elements_that_contradict_the_colours_are_refused(tmp_path, tags, message):
    with pytest.raises(BadImage, match=message):
        coloured(tmp_path / "a.dcm", **tags)


def test_zeros_behind_the_pixels_and_no_frames_are_harmless(tmp_path):
    expected = grey(tmp_path / "a.dcm")
    padded = grey(tmp_path / "b.dcm", PixelData=RAMP.tobytes() + bytes(100), NumberOfFrames=0)
    np.testing.assert_array_equal(padded, expected)


def test_a_second_compressed_frame_is_refused(tmp_path):
    frame = simplejpeg.encode_jpeg(COLOURS, 95, "RGB", "444")
    compressed(tmp_path / "a.dcm", frame, JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL")
    file = pydicom.dcmread(tmp_path / "a.dcm")
    file.PixelData = encapsulate([frame, frame])
    file.save_as(tmp_path / "a.dcm")
    with pytest.raises(BadImage, match="2 frames"):
        decode_file(tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("frame", "tags"),
    [
        (simplejpeg.encode_jpeg(COLOURS[:4].copy(), 95, "RGB", "444"), {}),
        (simplejpeg.encode_jpeg(COLOURS[..., :1].copy(), 95, "GRAY"), {}),
    ],
    ids=["smaller", "grey"],
)
def test_a_jpeg_of_another_size_or_kind_is_refused(tmp_path, frame, tags):
    with pytest.raises(BadImage, match="while its compressed image says"):
        compressed(tmp_path / "a.dcm", frame, JPEGBaseline8Bit, **tags)


def test_a_colour_jpeg_in_a_grey_file_is_refused(tmp_path):
    frame = simplejpeg.encode_jpeg(COLOURS, 95, "RGB", "444")
    with pytest.raises(BadImage, match=r"8 x 8 x 1 .*8 x 8 x 3"):
        compressed(tmp_path / "a.dcm", frame, JPEGBaseline8Bit, COLOURS[..., 0])


def test_more_bits_than_stated_are_not_lost(tmp_path):
    """16 bits where BitsStored says 12: read if the values need no more, refused if they do."""
    stated = {"BitsStored": 12, "HighBit": 11}
    fits = compressed(tmp_path / "a.dcm", jpeg_2000(RAMP), JPEG2000Lossless, RAMP, **stated)
    np.testing.assert_array_equal(fits, stretch(RAMP))
    with pytest.raises(BadImage, match="of 12 bits whose compressed image has values of 16 bits"):
        compressed(tmp_path / "b.dcm", jpeg_2000(RAMP * 16), JPEG2000Lossless, RAMP, **stated)


def test_more_bits_than_stated_are_not_lost_in_lossless_jpeg(tmp_path):
    gdcm = pytest.importorskip("gdcm")
    write_dicom(tmp_path / "plain.dcm", RAMP * 16)
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(tmp_path / "plain.dcm"))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(tmp_path / "a.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    file = pydicom.dcmread(tmp_path / "a.dcm")
    assert file.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    np.testing.assert_array_equal(np.asarray(decode_file(tmp_path / "a.dcm")), stretch(RAMP * 16))
    file.BitsStored, file.HighBit = 12, 11
    file.save_as(tmp_path / "a.dcm")
    with pytest.raises(BadImage, match="of 12 bits whose compressed image has values of 16 bits"):
        decode_file(tmp_path / "a.dcm")


@pytest.mark.parametrize("kind", ["RGB", "YBR_RCT", "YBR_FULL_422"])
@pytest.mark.parametrize("turned", [0, 1])
def test_colours_of_jpeg_2000_are_what_its_codestream_says(tmp_path, kind, turned):
    frame = jpeg_2000(COLOURS, mct=turned)
    if kind == "YBR_FULL_422":
        with pytest.raises(BadImage, match="decoding its JPEG 2000 image gives others"):
            compressed(tmp_path / "a.dcm", frame, JPEG2000Lossless, PhotometricInterpretation=kind)
    else:
        shown = compressed(tmp_path / "a.dcm", frame, JPEG2000Lossless, PhotometricInterpretation=kind)
        np.testing.assert_array_equal(shown, COLOURS)


# --- headers ----------------------------------------------------------------------------------------------------------


def test_compressed_pixels_without_a_transfer_syntax_are_refused(tmp_path):
    frame = simplejpeg.encode_jpeg(COLOURS, 95, "RGB", "444")
    compressed(tmp_path / "a.dcm", frame, JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL")
    content = (tmp_path / "a.dcm").read_bytes()
    with pytest.raises(BadImage, match="without a TransferSyntaxUID"):
        decode_bytes(content[content.index(b"\x08\0\x16\0UI") :])  # from SOPClassUID on


def test_an_unknown_transfer_syntax_is_named(tmp_path):
    write_dicom(tmp_path / "a.dcm", RAMP)
    content = (tmp_path / "a.dcm").read_bytes()
    with pytest.raises(BadImage, match=r"transfer syntax 1\.2\.840\.99999\.1\.2, which is unknown"):
        decode_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.99999.1.2\0\0\0"))


def test_a_big_endian_file_without_a_header_is_read(tmp_path):
    write_dicom(tmp_path / "a.dcm", RAMP)
    file = pydicom.dcmread(tmp_path / "a.dcm")
    file.PixelData = RAMP.astype(">u2").tobytes()
    plain = Dataset()
    plain.update({element.tag: element for element in file})
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, plain, implicit_vr=False, little_endian=False)
    np.testing.assert_array_equal(np.asarray(decode_bytes(buffer.getvalue())), stretch(RAMP))
