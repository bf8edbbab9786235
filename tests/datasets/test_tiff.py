"""TIFF: every combination of photometric interpretation, sample format, bits and byte order is right or refused."""

import io

import numpy as np
import pytest
import tiff_table
import tifffile
from tiff_table import (
    AS_IT_IS,
    BLACK,
    CHANNELS,
    CMYK,
    DEFLATE,
    FLOAT,
    GREY,
    LZW,
    NAMES,
    NONE,
    PACKBITS,
    PALETTE,
    RGB,
    SIGNED,
    STRETCHED,
    TABLE,
    UNSIGNED,
    WHITE,
    YCBCR,
    tiff,
    values,
)  # fmt: skip

from tljax.datasets.decoding import BadImage, decode_bytes

SHAPE = (4, 8)
CASES = [
    (photometric, kind, bits, outcome)
    for _, photometrics, kinds, depths, outcome in TABLE
    for photometric in photometrics
    for kind in kinds
    for bits in depths
]


def expected(photometric: int, kind: int, bits: int, numbers: np.ndarray) -> np.ndarray:
    """The grey or colours of 8 bits, from the definition alone."""
    exact = numbers.astype(object) if kind != FLOAT else numbers.astype(float)
    low, high = exact.min(), exact.max()
    levels = ((exact - low) * 255 / (high - low)).astype(float)
    if photometric == PALETTE:
        return np.repeat((255 - levels)[..., None], 3, axis=-1)
    if photometric == CMYK:
        return (255 - levels[..., :3]) * (255 - levels[..., 3:]) / 255
    if photometric == YCBCR:
        luma, blue, red = levels[..., 0], levels[..., 1] - 128, levels[..., 2] - 128
        rgb = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1)
        return np.clip(rgb, 0, 255)
    return 255 - levels if photometric == WHITE else levels


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("photometric", "kind", "bits", "outcome"), CASES)
def test_every_combination_is_right_or_refused(photometric, kind, bits, outcome, order):
    channels = CHANNELS.get(photometric)
    known = kind in NAMES
    numbers = values(kind if known else UNSIGNED, bits, SHAPE if channels is None else (*SHAPE, channels))
    for compression in (NONE, LZW, DEFLATE, PACKBITS):
        content = tiff(numbers, photometric, kind, bits, order, compression)
        if outcome in (AS_IT_IS, STRETCHED):
            found = np.asarray(decode_bytes(content)).astype(float)
            found *= 255 if bits == 1 and photometric in GREY else 1
            near = 1.1 if photometric in (YCBCR, CMYK) else 0.51
            np.testing.assert_allclose(found, expected(photometric, kind, bits, numbers), atol=near)
        else:
            message = outcome.removeprefix("refused: ").format(
                bits=bits, kind=NAMES.get(kind), photometric=photometric, format=kind
            )
            with pytest.raises(BadImage) as refusal:
                decode_bytes(content)
            assert message in str(refusal.value)


def test_the_documented_table_is_this_one():
    assert tiff_table.shown() == tiff_table.markdown(), "run python tests/tiff_table.py"


def test_a_ramp_is_what_its_interpretation_says():
    """As measured on the faults that were found: WhiteIsZero in 16 bits and floats, signed bytes."""
    ramp = np.linspace(0, 60000, 32).round().astype(np.uint16).reshape(4, 8)
    for numbers, kind, bits in ((ramp, UNSIGNED, 16), (ramp.astype(np.float32), FLOAT, 32)):
        found = np.asarray(decode_bytes(tiff(numbers, WHITE, kind, bits)))
        assert found.reshape(-1)[:3].tolist() == [255, 247, 239]
    signed = np.arange(-128, 128, dtype=np.int8).reshape(16, 16)
    assert np.asarray(decode_bytes(tiff(signed, BLACK, SIGNED, 8))).reshape(-1).tolist() == list(range(256))


def test_large_numbers_keep_their_differences():
    for kind, bits, base in ((UNSIGNED, 32, 4_000_000_000), (UNSIGNED, 64, 2**53), (FLOAT, 64, 1e12)):
        numbers = (base + np.arange(256).reshape(16, 16)).astype(f"{'uf'[kind == FLOAT]}{bits // 8}")
        assert np.asarray(decode_bytes(tiff(numbers, BLACK, kind, bits))).reshape(-1).tolist() == list(range(256))


def test_transparency_behind_deep_grey_is_dropped():
    grey = values(UNSIGNED, 16, SHAPE)
    both = np.stack([grey, np.full(SHAPE, 65535, np.uint16)], axis=-1)
    found = decode_bytes(tiff(both, BLACK, UNSIGNED, 16, t338=(3, [2])))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(decode_bytes(tiff(grey, BLACK, UNSIGNED, 16))))


def test_deep_grey_is_turned_upright():
    grey = values(UNSIGNED, 16, SHAPE)
    found = decode_bytes(tiff(grey, BLACK, UNSIGNED, 16, t274=(3, [6])))
    np.testing.assert_array_equal(
        np.asarray(found), np.rot90(np.asarray(decode_bytes(tiff(grey, BLACK, UNSIGNED, 16))), -1)
    )


def test_a_predictor_is_undone():
    grey = values(UNSIGNED, 16, SHAPE)
    steps = np.diff(grey, axis=1, prepend=np.zeros((4, 1), np.uint16))
    for order in "<>":
        for compression in (LZW, DEFLATE):
            content = tiff(steps, BLACK, UNSIGNED, 16, order, compression, t317=(3, [2]))
            np.testing.assert_array_equal(
                np.asarray(decode_bytes(content)), np.asarray(decode_bytes(tiff(grey, BLACK, UNSIGNED, 16)))
            )
    with pytest.raises(BadImage, match="floating-point predictor"):
        decode_bytes(tiff(values(FLOAT, 32, SHAPE), BLACK, FLOAT, 32, compression=DEFLATE, t317=(3, [3])))


def test_a_palette_of_8_bits_is_not_black():
    numbers = values(UNSIGNED, 8, SHAPE)
    colours = (3, [*range(256), *range(255, -1, -1), *[7] * 256])
    found = np.asarray(decode_bytes(tiff(numbers, PALETTE, UNSIGNED, 8, t320=colours)))
    np.testing.assert_array_equal(found, np.stack([numbers, 255 - numbers, numbers * 0 + 7], axis=-1))


@pytest.mark.parametrize("compression", [NONE, LZW, DEFLATE, PACKBITS])
@pytest.mark.parametrize(
    ("photometric", "kind", "bits"), [(BLACK, UNSIGNED, 16), (WHITE, FLOAT, 32), (RGB, UNSIGNED, 8)]
)
def test_missing_data_are_an_error(photometric, kind, bits, compression):
    """The stated length of the strip is half its length, or it is beyond the end of the file."""
    numbers = values(kind, bits, (40, 40, 3) if photometric == RGB else (40, 40))
    content = tiff(numbers, photometric, kind, bits, compression=compression)
    length = int.from_bytes(content[4:8], "little") - 8
    for tag, value in ((279, length // 2), (273, len(content) - 10)):
        at = content.index((tag).to_bytes(2, "little") + b"\4\0\1\0\0\0", 8 + length) + 8
        with pytest.raises(BadImage, match="corrupt or truncated"):
            decode_bytes(content[:at] + value.to_bytes(4, "little") + content[at + 4 :])


def test_channels_without_a_stated_meaning_are_refused():
    grey = values(UNSIGNED, 16, SHAPE)
    for count, kind, bits in ((2, UNSIGNED, 16), (5, UNSIGNED, 8), (3, FLOAT, 32)):
        numbers = np.stack([values(kind, bits, SHAPE)] * count, axis=-1)
        with pytest.raises(BadImage, match=f"is a TIFF of {count} channels whose meaning is not stated"):
            decode_bytes(tiff(numbers, BLACK, kind, bits))
    assert decode_bytes(tiff(grey, BLACK, UNSIGNED, 16)).size == (8, 4)


@pytest.mark.parametrize("options", [{"truncate": True}, {"imagej": True}, {"volumetric": True, "tile": (16, 16, 16)}])
def test_several_frames_in_one_page_are_refused(options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((5, 16, 16), np.uint16), photometric="minisblack", **options)
    content = bytearray(buffer.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as file:
        page = file.pages[0].aspage()
    end = page.offset + 2 + 12 * len(page.tags)
    content[end : end + 4] = bytes(4)  # no further page, as ImageJ writes stacks of more than 4 GB
    with pytest.raises(BadImage, match=r"holds \d+ frames"):
        decode_bytes(bytes(content))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"t259": (3, [4])}, r"compressed by method 4 \(CCITTFAX4\), which is not read"),
        ({"t259": (3, [50000])}, r"method 50000 \(ZSTD\)"),
        ({"t259": (3, [12345])}, r"method 12345 \(unknown\)"),
        ({"t279": (4, [0])}, "part of its pixels is missing"),
        ({"t273": (4, [8, 0]), "t278": (4, [2]), "t279": (4, [16, 0])}, "part of its pixels is missing"),
    ],
)
def test_what_libtiff_would_fill_in_without_an_error_is_refused(more, message):
    with pytest.raises(BadImage, match=message):
        decode_bytes(tiff(values(UNSIGNED, 8, SHAPE), BLACK, UNSIGNED, 8, **more))


def test_a_tiff_that_does_not_say_what_its_values_mean_is_refused():
    content = tiff(values(UNSIGNED, 8, SHAPE), BLACK, UNSIGNED, 8)
    place = content.index((262).to_bytes(2, "little") + b"\3\0\1\0")
    with pytest.raises(BadImage, match="without PhotometricInterpretation"):
        decode_bytes(content[:place] + (261).to_bytes(2, "little") + content[place + 2 :])


def test_a_strip_of_packbits_has_its_exact_length():
    numbers = np.random.default_rng(0).integers(0, 256, (40, 40)).astype(np.uint8)
    content = tiff(numbers, BLACK, UNSIGNED, 8, compression=PACKBITS)
    decode_bytes(content)
    for start in (600, 700, 800):
        damaged = bytearray(content)
        damaged[start : start + 200] = bytes(200)
        with pytest.raises(BadImage, match="corrupt or truncated"):
            decode_bytes(bytes(damaged))


@pytest.mark.parametrize("kind", ["plain", "multiplied"])
def test_transparency_of_8_bit_grey_is_removed(kind):
    grey = np.arange(0, 160, 5, dtype=np.uint8).reshape(SHAPE)
    stored = np.stack([grey if kind == "plain" else grey // 5, np.full_like(grey, 255 if kind == "plain" else 51)], -1)
    content = tiff(stored, BLACK, UNSIGNED, 8, t338=(3, [2 if kind == "plain" else 1]))
    np.testing.assert_array_equal(np.asarray(decode_bytes(content).convert("L")), grey)


@pytest.mark.parametrize(
    ("more", "message"),
    [({"t338": (3, [1])}, "multiplied by its transparency"), ({"t42113": (2, [48, 0])}, "GDAL_NODATA")],
)
def test_deep_grey_with_multiplied_transparency_or_missing_data_is_refused(more, message):
    grey = values(UNSIGNED, 16, SHAPE)
    stored = np.stack([grey, grey], -1) if "t338" in more else grey
    with pytest.raises(BadImage, match=message):
        decode_bytes(tiff(stored, BLACK, UNSIGNED, 16, **more))


def test_a_big_endian_bigtiff_is_refused_and_a_little_endian_one_read():
    for order in "<>":
        buffer, numbers = io.BytesIO(), values(UNSIGNED, 8, SHAPE)
        tifffile.imwrite(buffer, numbers, byteorder=order, bigtiff=True, photometric="minisblack")
        if order == "<":
            np.testing.assert_array_equal(np.asarray(decode_bytes(buffer.getvalue())), numbers)
        else:
            with pytest.raises(BadImage, match="big-endian BigTIFF"):
                decode_bytes(buffer.getvalue())
