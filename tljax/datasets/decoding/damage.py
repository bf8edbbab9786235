"""Detects damaged images that decoders accept: they fill in missing parts, at most with a warning.

Each check takes the bytes of one image and raises `BadImage` if they are incomplete. A few wrong bytes in the middle of
an image without checksums cannot be detected.
"""

import os
import re
import struct
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import simplejpeg

from tljax.datasets.decoding.codestreams import (
    JPEG_2000_START,
    JPEG_2000_TILE,
    JPEG_SCAN,
    jpeg_segments,
    read_jpeg_2000_header,
    read_jpeg_header,
)
from tljax.datasets.decoding.errors import BadImage

PNG_MARK = b"\x89PNG\r\n\x1a\n"
JPEG_SCALABLE, JPEG_LOSSLESS = (0xC0, 0xC1, 0xC2), 0xC3  # baseline, extended, progressive; lossless
JPEG_ARITHMETIC = (0xC9, 0xCA, 0xCB)
JPEG_DAMAGE = re.compile("corrupt|premature|inconsistent progression", re.IGNORECASE)
JPEG_2000_END = b"\xff\xd9"
ZEROS = 32  # zero bytes with which the data of a whole JPEG 2000 or lossless WebP never end (measured: up to 23)

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of an interlaced PNG: the first column and row, and the steps to the next ones."""

_capturing = threading.Lock()


def check_png(content: bytes) -> None:
    """Checks the checksums of the critical chunks, and that all rows are present; Pillow does neither."""
    position, unpacked, found, wanted = len(PNG_MARK), zlib.decompressobj(), 0, 0
    while position + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 8 + length
        if end + 4 > len(content):
            break
        if kind[:1].isupper() and zlib.crc32(content[position + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
            raise BadImage(f"is corrupt or truncated (the checksum of its chunk {kind.decode('latin-1')} is wrong)")
        if kind == b"IHDR":
            wanted = _png_bytes(*struct.unpack_from(">IIBBBBB", content, position + 8))
        elif kind == b"IDAT":
            found += len(unpacked.decompress(content[position + 8 : end]))
        elif kind == b"IEND":
            if found < wanted:
                raise BadImage("is corrupt or truncated (some of its rows are missing)")
            return
        position = end + 4
    raise BadImage("is corrupt or truncated (it ends before its last chunk)")


def _png_bytes(width: int, height: int, depth: int, colour: int, _: int, __: int, interlace: int) -> int:
    """Returns the bytes of the unpacked rows, each with the byte of its filter."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)
    parts = [
        (-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in (ADAM7 if interlace else ((0, 0, 1, 1),))
    ]
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in parts if columns > 0 and rows > 0)


def check_jpeg(content: bytes, channels: int) -> None:
    """Decodes with libjpeg's warnings of corrupt data as errors, at an eighth of the size if possible."""
    header = read_jpeg_header(content)
    if header.process in JPEG_ARITHMETIC:
        raise BadImage("is a JPEG with arithmetic coding, whose damage no decoder reports; save it with Huffman coding")
    if header.bits != 8 or header.process not in (*JPEG_SCALABLE, JPEG_LOSSLESS):
        return  # not read by Pillow either
    small: dict[str, Any] = {}  # a lossless one has one size only
    if header.process in JPEG_SCALABLE:
        _check_scans(content)
        small = {"min_height": 1, "min_width": 1}
    try:
        simplejpeg.decode_jpeg(content, {1: "GRAY", 4: "CMYK"}.get(channels, "RGB"), **small)
    except ValueError as error:
        if JPEG_DAMAGE.search(str(error)):  # other errors are about kinds of JPEG that Pillow may read
            raise BadImage(f"is corrupt or truncated ({' '.join(str(error).split())})") from error


def _check_scans(content: bytes) -> None:
    """Checks that the scans contain all coefficients of all channels in full.

    libjpeg takes a progressive JPEG that ends between two scans for a whole image.
    """
    missing: set[tuple[int, int]] = set()
    for marker, body in jpeg_segments(content):
        if marker in JPEG_SCALABLE:
            missing |= {(channel, number) for channel in body[6 : 6 + 3 * body[5] : 3] for number in range(64)}
        elif marker == JPEG_SCAN and len(body) >= 4 + 2 * body[0]:
            first, last, accuracy = body[1 + 2 * body[0] : 4 + 2 * body[0]]
            if accuracy & 0x0F == 0:  # else, later scans refine these coefficients
                missing -= {(channel, n) for channel in body[1 : 1 + 2 * body[0] : 2] for n in range(first, last + 1)}
    if missing:
        raise BadImage("is corrupt or truncated (its last scans are missing)")


def check_jpeg_2000(content: bytes) -> None:
    """Follows the stated lengths of the tile parts to the end of the codestream."""
    read_jpeg_2000_header(content)
    position = content.find(JPEG_2000_START) + 2
    while content[position : position + 2] not in (JPEG_2000_TILE, b""):  # the segments of the main header
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    while content[position : position + 2] == JPEG_2000_TILE:
        length = int.from_bytes(content[position + 6 : position + 10], "big")
        end = position + length if length else content.rfind(JPEG_2000_END)  # 0: up to the end
        if end <= position or end > len(content):
            raise BadImage("is corrupt or truncated (a part of its JPEG 2000 codestream is missing)")
        if content[position:end].endswith(bytes(ZEROS)):
            raise BadImage("is corrupt or truncated (a part of its JPEG 2000 codestream is nothing but zeros)")
        position = end
    if content[position : position + 2] not in (JPEG_2000_END, b""):
        raise BadImage("is corrupt or truncated (its JPEG 2000 codestream has no end)")


def check_webp(content: bytes, width: int, height: int) -> None:
    """Refuses image data with more zeros in a row than libwebp writes for an image of one colour of this size."""
    allowed = ZEROS + width * height // 4000  # measured: up to one byte for 10,000 pixels
    position = 12  # behind RIFF, its size and WEBP
    while position + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, position)
        if kind in (b"VP8 ", b"VP8L") and bytes(allowed) in content[position + 8 : position + 8 + size]:
            raise BadImage("is corrupt or truncated (a part of its data is nothing but zeros)")
        position += 8 + size + size % 2


def check_lossless_jpeg(content: bytes) -> None:
    """Checks that lossless JPEG and JPEG-LS data have an end marker, and no zeros before it."""
    end = content.rfind(b"\xff\xd9")
    if end < 0 or content[end + 2 :].strip(b"\0"):
        raise BadImage("is corrupt or truncated (its JPEG data have no end)")
    if content[:end].endswith(bytes(ZEROS)):
        raise BadImage("is corrupt or truncated (a part of its JPEG data is nothing but zeros)")


@contextmanager
def warnings_of_libjpeg_as_errors(wanted: bool) -> Iterator[None]:
    """Raises `BadImage` if a decoder writes libjpeg's warning to standard error and makes up the missing pixels.

    gdcm's decoders do so for lossless JPEG of 12 or 16 bits. Other text on standard error is passed on. Threads wait
    for each other.
    """
    if not wanted:
        yield
        return
    with _capturing, tempfile.TemporaryFile() as captured:
        sys.stderr.flush()
        usual = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(usual, 2)
            os.close(usual)
            captured.seek(0)
            lines = captured.read().splitlines(keepends=True)
            warnings = [line for line in lines if JPEG_DAMAGE.search(line.decode("utf-8", "replace"))]
            os.write(2, b"".join(line for line in lines if line not in warnings))
    if warnings:
        reason = warnings[0].decode("utf-8", "replace").strip()
        raise BadImage(f"is corrupt or truncated ({reason})")
