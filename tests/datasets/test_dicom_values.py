"""What a stored DICOM value means: look-up tables, palettes, functional groups, padding, numbers of every kind."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from archives import pixels, write_dicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tljax.datasets.decoding import BadImage, decode_file
from tljax.datasets.decoding.scaling import stretch

RAMP = np.linspace(0, 1000, 64).round().astype(np.uint16).reshape(8, 8)


def decoded(path: Path, array: np.ndarray, **tags) -> np.ndarray:
    write_dicom(path, array, **tags)
    return np.asarray(decode_file(path))


def item(**elements) -> Dataset:
    found = Dataset()
    for name, value in elements.items():
        setattr(found, name, value)
    return found


def table(entries: np.ndarray, bits: int, first: int = 0, words: bool = False) -> Dataset:
    """A look-up table; entries of 8 bits as bytes, or one in each word of 16 bits."""
    found = Dataset()
    found.add_new("LUTDescriptor", "US", [len(entries) % 65536, first % 65536, bits])
    packed = bits <= 8 and not words
    content = entries.astype(np.uint8 if packed else "<u2").tobytes()
    found.add_new("LUTData", "OW", content + bytes(len(content) % 2))
    return found


def shown(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) * 255 / (high - low), 0, 255)


# --- tables of the display --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [False, True])
def test_a_display_table_of_bytes_does_not_wrap(tmp_path, words):
    ramp = np.linspace(0, 4000, 8).round().astype(np.uint16)[None].repeat(2, 0)
    identity = table((np.arange(4096) * 255) // 4095, 8, words=words)
    found = decoded(tmp_path / "a.dcm", ramp, VOILUTSequence=Sequence([identity]))
    np.testing.assert_array_equal(found[0], ramp[0].astype(int) * 255 // 4095)


@pytest.mark.parametrize("bits", [12, 16])
def test_a_display_table_is_scaled_by_its_own_range_as_a_window_is(tmp_path, bits):
    """Also where 16 bits are declared for entries of 12, as many files do."""
    identity = table(np.arange(4096), bits)
    found = decoded(tmp_path / "a.dcm", RAMP, VOILUTSequence=Sequence([identity]))
    window = decoded(tmp_path / "b.dcm", RAMP, WindowCenter=2048, WindowWidth=4096)
    np.testing.assert_allclose(found, RAMP / 4095 * 255, atol=0.51)
    assert np.abs(found.astype(int) - window).max() <= 1 and found.max() == 62


def test_a_display_table_is_in_rescaled_units_and_begins_at_a_negative_value(tmp_path):
    stored = RAMP
    entries = table(np.arange(1001), 10, first=-1000)  # in a word without a sign: 64536
    found = decoded(
        tmp_path / "a.dcm", stored, RescaleSlope=1, RescaleIntercept=-1000, VOILUTSequence=Sequence([entries])
    )
    np.testing.assert_allclose(found, stored / 1023 * 255, atol=0.51)


def test_a_table_that_is_cut_off_is_refused(tmp_path):
    short = table(np.arange(4096), 12)
    short.LUTData = short.LUTData[:4000]
    with pytest.raises(BadImage, match="a look-up table of 2000 entries where 4096 are declared"):
        decoded(tmp_path / "a.dcm", RAMP, VOILUTSequence=Sequence([short]))


@pytest.mark.parametrize(("bits", "words"), [(8, False), (8, True), (12, True), (16, True)])
def test_a_modality_table_is_looked_up_before_the_window(tmp_path, bits, words):
    top = 2**bits - 1
    entries = top - np.arange(1001) * top // 1000
    tags = {"ModalityLUTSequence": Sequence([table(entries, bits, words=words)])}
    bare = decoded(tmp_path / "a.dcm", RAMP, **tags)
    np.testing.assert_array_equal(bare, stretch(entries[RAMP].astype(np.uint16)))
    window = decoded(tmp_path / "b.dcm", RAMP, WindowCenter=top / 2 + 0.5, WindowWidth=top + 1, **tags)
    np.testing.assert_allclose(window, entries[RAMP] / top * 255, atol=0.51)


# --- palettes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "words"), [(8, False), (8, True), (12, True), (16, True)])
@pytest.mark.parametrize("stored", [np.uint8, np.uint16])
def test_a_palette_of_any_depth_is_the_same_colours(tmp_path, bits, words, stored):
    levels = np.random.default_rng(0).integers(0, 256, (3, 200))
    levels[:, 0] = 255
    tags = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, channel in zip(("Red", "Green", "Blue"), levels, strict=True):
        entries = channel << (bits - 8) if bits < 16 else channel * 257
        content = table(entries, bits, first=20, words=words)
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [200, 20, bits]
        tags[f"{name}PaletteColorLookupTableData"] = content.LUTData
    numbers = np.arange(0, 256, dtype=stored).reshape(16, 16)
    found = decoded(tmp_path / "a.dcm", numbers, **tags)
    np.testing.assert_array_equal(found, levels.T[np.clip(numbers.astype(int) - 20, 0, 199)])


# --- enhanced objects -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_window_and_rescale_are_read_in_functional_groups(tmp_path, groups):
    rescale = item(RescaleSlope=2, RescaleIntercept=-500, RescaleType="US")
    window = item(WindowCenter=[0, 7], WindowWidth=[401, 8])
    group = item(PixelValueTransformationSequence=Sequence([rescale]), FrameVOILUTSequence=Sequence([window]))
    found = decoded(tmp_path / "a.dcm", RAMP, NumberOfFrames=1, **{groups: Sequence([group])})
    np.testing.assert_allclose(found, shown(RAMP * 2.0 - 500, -200.5, 199.5), atol=0.51)


def test_groups_of_the_frame_precede_shared_groups_and_these_precede_the_top_level(tmp_path):
    def windows(centre: int) -> Sequence:
        return Sequence([item(FrameVOILUTSequence=Sequence([item(WindowCenter=centre, WindowWidth=401)]))])

    tags = {"SharedFunctionalGroupsSequence": windows(600), "WindowCenter": 10, "WindowWidth": 3}
    found = decoded(tmp_path / "a.dcm", RAMP, **tags)
    np.testing.assert_allclose(found, shown(RAMP, 399.5, 799.5), atol=0.51)
    found = decoded(tmp_path / "b.dcm", RAMP, PerFrameFunctionalGroupsSequence=windows(300), **tags)
    np.testing.assert_allclose(found, shown(RAMP, 99.5, 499.5), atol=0.51)


# --- single elements --------------------------------------------------------------------------------------------------


def test_colours_of_16_bits_are_refused(tmp_path):
    colours = np.full((6, 6, 3), (200, 30, 60), np.uint16)
    write_dicom(tmp_path / "a.dcm", RAMP)
    header = pydicom.dcmread(tmp_path / "a.dcm")
    header.PhotometricInterpretation, header.SamplesPerPixel, header.PlanarConfiguration = "RGB", 3, 0
    header.Rows = header.Columns = 6
    header.PixelData = colours.tobytes()
    header.save_as(tmp_path / "a.dcm")
    with pytest.raises(BadImage, match="colours of 16 bits; only 8 bits per channel are read"):
        decode_file(tmp_path / "a.dcm")


@pytest.mark.parametrize("limit", [None, 63000])
def test_padding_that_is_written_without_its_sign_is_padding(tmp_path, limit):
    padded = pixels(0).astype(np.int16)
    padded[:, :5] = -2000
    write_dicom(tmp_path / "a.dcm", padded)
    header = pydicom.dcmread(tmp_path / "a.dcm")
    header.add_new("PixelPaddingValue", "US", 63536)
    if limit:
        header.add_new("PixelPaddingRangeLimit", "US", limit)
    header.save_as(tmp_path / "a.dcm")
    found = np.asarray(decode_file(tmp_path / "a.dcm"))
    np.testing.assert_array_equal(found[:, 5:], stretch(padded[:, 5:]))


def test_a_window_of_width_0_is_ignored_and_an_impossible_one_is_refused(tmp_path):
    found = decoded(tmp_path / "a.dcm", RAMP, WindowCenter=500, WindowWidth=0)
    np.testing.assert_array_equal(found, stretch(RAMP))
    for width, function in ((0.5, "LINEAR"), (-20, "SIGMOID")):
        with pytest.raises(BadImage, match=f"a window of width {width}; a {function} window"):
            decoded(tmp_path / "b.dcm", RAMP, WindowCenter=500, WindowWidth=width, VOILUTFunction=function)


@pytest.mark.parametrize(("name", "kind"), [("FloatPixelData", np.float32), ("DoubleFloatPixelData", np.float64)])
def test_floating_point_pixels_are_pixels(tmp_path, name, kind):
    numbers = np.linspace(-2, 3, 64).astype(kind).reshape(8, 8)

    def write(array: np.ndarray, **tags) -> Path:
        write_dicom(tmp_path / "a.dcm", RAMP, **tags)
        header = pydicom.dcmread(tmp_path / "a.dcm")
        for element in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
            delattr(header, element)
        header.BitsAllocated = 8 * array.itemsize
        setattr(header, name, array.tobytes())
        header.save_as(tmp_path / "a.dcm")
        return tmp_path / "a.dcm"

    np.testing.assert_array_equal(np.asarray(decode_file(write(numbers))), stretch(numbers))
    window = {"WindowCenter": 0.5, "WindowWidth": 2, "VOILUTFunction": "LINEAR_EXACT"}
    np.testing.assert_allclose(np.asarray(decode_file(write(numbers, **window))), shown(numbers, -0.5, 1.5), atol=0.51)
    numbers[3, 3] = np.nan
    for tags in ({}, window):
        with pytest.raises(BadImage, match="not finite numbers"):
            decode_file(write(numbers, **tags))


def test_bits_above_the_stored_ones_are_ignored(tmp_path):
    """Old files keep an overlay there."""
    plain = pixels(0).astype(np.uint16) * 16
    found = decoded(tmp_path / "a.dcm", plain | 0x8000 * (plain > 2000).astype(np.uint16), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(found, stretch(plain))


def test_numbers_of_32_bits_keep_their_differences(tmp_path):
    stored = (4_000_000_000 + np.arange(256)).astype(np.uint32).reshape(16, 16)
    assert decoded(tmp_path / "a.dcm", stored).reshape(-1).tolist() == list(range(256))


def test_an_unknown_photometric_interpretation_is_refused_by_name(tmp_path):
    with pytest.raises(BadImage, match="the photometric interpretation HSV, which is not read"):
        decoded(tmp_path / "a.dcm", pixels(0), PhotometricInterpretation="HSV")
    with pytest.raises(BadImage, match="rescale slope of 0"):
        decoded(tmp_path / "b.dcm", RAMP, RescaleSlope=0, RescaleIntercept=5)


def test_missing_elements_are_named(tmp_path):
    write_dicom(tmp_path / "a.dcm", RAMP)
    header = pydicom.dcmread(tmp_path / "a.dcm")
    del header.PhotometricInterpretation
    header.save_as(tmp_path / "a.dcm")
    with pytest.raises(BadImage, match="without PhotometricInterpretation, which say what its pixels mean"):
        decode_file(tmp_path / "a.dcm")
    with pytest.raises(BadImage, match="look-up table without LUTDescriptor"):
        decoded(tmp_path / "b.dcm", RAMP, VOILUTSequence=Sequence([Dataset()]))


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
def test_a_slope_that_is_not_a_number_is_refused(tmp_path):
    with pytest.raises(BadImage, match="whose RescaleSlope is nan"):
        decoded(tmp_path / "a.dcm", RAMP, RescaleSlope="nan", RescaleIntercept="0")
