"""Pictures that decoders would fill in without an error are refused, and so are other kinds of files, by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from archives import pixels
from PIL import Image

from tljax.datasets.decoding import BadImage, decode_bytes
from tljax.datasets.decoding.codestreams import read_jpeg_2000_header, read_jpeg_header

GREY = pixels(0, (16, 16))
COLOURS = pixels(0, (16, 16, 3))


def saved(kind: str, array: np.ndarray = COLOURS, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows: np.ndarray, depth: int, colour: int, interlace: int = 0, more: bytes = b"", height: int = 16) -> bytes:
    """A PNG, 16 wide, of rows without a filter (`n bytes`) and with right checksums."""
    header = struct.pack(">IIBBBBB", 16, height, depth, colour, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("depth", "colour", "bytes_per_row"), [(8, 0, 16), (1, 0, 2), (4, 0, 8), (8, 2, 48), (8, 6, 64)]
)
def test_a_png_without_all_of_its_rows_is_refused(depth, colour, bytes_per_row):
    """Its checksums are right, and Pillow shows black for the rest."""
    rows = pixels(1, (16, bytes_per_row))
    decode_bytes(png(rows, depth, colour))
    with pytest.raises(BadImage, match="rows are missing"):
        decode_bytes(png(rows[:12], depth, colour))


def test_an_interlaced_png_needs_all_of_its_passes():
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = [row for x, y, dx, dy in passes for row in GREY[y::dy, x::dx]]
    np.testing.assert_array_equal(np.asarray(decode_bytes(png(rows, 8, 0, interlace=1))), GREY)
    with pytest.raises(BadImage, match="rows are missing"):
        decode_bytes(png(rows[:-1], 8, 0, interlace=1))


@pytest.mark.parametrize("palette", [b"", chunk(b"PLTE", bytes(range(30)))])
def test_colours_that_are_not_in_the_palette_are_refused(palette):
    with pytest.raises(BadImage, match="in a palette of"):
        decode_bytes(png(GREY | 128, 8, 3, more=palette))
    if palette:
        expected = np.arange(30, dtype=np.uint8).reshape(10, 3)[GREY % 10]
        np.testing.assert_array_equal(np.asarray(decode_bytes(png(GREY % 10, 8, 3, more=palette))), expected)


def test_a_progressive_jpeg_without_its_last_scans_is_refused():
    """It ends well, between two scans, and is a blurred image to libjpeg."""
    content = saved("JPEG", progressive=True)
    starts = [place for place in range(len(content) - 1) if content[place : place + 2] == b"\xff\xda"]
    assert len(starts) > 5
    decode_bytes(content)
    for start in starts[1:]:
        with pytest.raises(BadImage, match="last scans are missing"):
            decode_bytes(content[:start] + b"\xff\xd9")


def test_a_jpeg_of_arithmetic_coding_is_refused_by_name():
    content = saved("JPEG")
    assert content.count(b"\xff\xc0") == 1
    with pytest.raises(BadImage, match="arithmetic coding"):
        decode_bytes(content.replace(b"\xff\xc0", b"\xff\xc9"))


def test_the_headers_of_jpeg_are_read():
    header = read_jpeg_header(saved("JPEG", COLOURS[:12]))
    assert (header.rows, header.columns, header.channels, header.bits, header.process) == (12, 16, 3, 8, 0xC0)
    header = read_jpeg_2000_header(saved("JPEG2000", GREY.astype(np.uint16) * 200))
    assert (header.rows, header.columns, header.channels, header.bits, header.is_signed) == (16, 16, 1, 16, False)
    assert [read_jpeg_2000_header(saved("JPEG2000", mct=turned)).turns_colours for turned in (0, 1)] == [False, True]


def test_deep_colours_in_jpeg_2000_are_refused():
    content = bytearray(saved("JPEG2000", no_jp2=True))
    for channel in range(3):
        content[42 + 3 * channel] = 15  # 16 bits, less one
    with pytest.raises(BadImage, match="colours of 16 bits"):
        decode_bytes(bytes(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(344) + b"n+1\0", "is a NIfTI volume, which is not read; save its slices"),
        (b"P5 16 16 255\n" + bytes(256), "is a PNM image"),
        (b"\n<!DOCTYPE html><p>Log in", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"PK\x03\x04" + bytes(40), "is a zip archive"),
        (b"%PDF-1.4", "is a PDF document"),
        (bytes(500), "nothing but zeros"),
        (saved("PNG")[:12], "is corrupt or truncated"),
        (saved("JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"), "is a JPEG of 12 bits"),
        (saved("JPEG").replace(b"\xff\xc0", b"\xff\xf7"), "is a JPEG-LS image"),
        (b"some text", "is not an image"),
    ],
)
def test_the_kind_of_a_file_that_is_not_a_picture_is_named(content, message):
    with pytest.raises(BadImage, match=message):
        decode_bytes(content)
