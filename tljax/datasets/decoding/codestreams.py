"""Reads what compressed images say of themselves: their size, channels, bits and coding process."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tljax.datasets.decoding.errors import BadImage

JPEG_2000_START = b"\xff\x4f\xff\x51"  # a codestream's first two markers
JPEG_2000_CODING, JPEG_2000_TILE = b"\xff\x52", b"\xff\x90"  # coding style, start of a tile part
JPEG_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # markers from 0xC0 to 0xCF that begin no frame
JPEG_LS = 0xF7
JPEG_SCAN, JPEG_END = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")  # no restarts, and not what escapes 0xFF in the data


@dataclass(frozen=True)
class Codestream:
    """The header of a JPEG, JPEG-LS or JPEG 2000 image."""

    rows: int
    columns: int
    channels: int
    bits: int
    """Bits of a sample of the first channel."""
    is_signed: bool = False
    """Only JPEG 2000 can say so."""
    turns_colours: bool = False
    """Whether decoding JPEG 2000 turns colours into RGB, by its multiple component transformation."""
    process: int = 0
    """For JPEG and JPEG-LS: the second byte of the frame's marker, which names the coding process."""


def read_jpeg_header(content: bytes) -> Codestream:
    """Reads the frame header of a JPEG or JPEG-LS. Raises `BadImage` if there is none."""
    for marker, body in jpeg_segments(content):
        if (0xC0 <= marker <= 0xCF and marker not in JPEG_NO_FRAMES) or marker == JPEG_LS:
            if len(body) < 6:
                break
            bits, rows, columns, channels = struct.unpack_from(">BHHB", body)
            return Codestream(rows, columns, channels, bits, process=marker)
    raise BadImage("is corrupt or truncated (a JPEG without a frame)")


def jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the second byte of each marker, with its segment without the length, up to the end of the image."""
    position = 2
    while found := _MARKER.search(content, position):
        marker = content[found.end() - 1]
        if marker == JPEG_END:
            return
        length = int.from_bytes(content[found.end() : found.end() + 2], "big")
        yield marker, content[found.end() + 2 : found.end() + length]
        position = found.end() + length


def read_jpeg_2000_header(content: bytes) -> Codestream:
    """Reads the SIZ segment of a JPEG 2000 codestream, which may be in a file. Raises `BadImage` if there is none."""
    start = content.find(JPEG_2000_START)
    if start < 0 or len(content) < start + 43:
        raise BadImage("is corrupt or truncated (a JPEG 2000 without a codestream)")
    right, bottom, left, top = struct.unpack_from(">4I", content, start + 8)
    channels, depth = struct.unpack_from(">HB", content, start + 40)
    position = start + 2
    while content[position : position + 2] not in (JPEG_2000_CODING, JPEG_2000_TILE, b""):
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    turns = content[position : position + 2] == JPEG_2000_CODING and content[position + 8 : position + 9] == b"\1"
    return Codestream(
        bottom - top, right - left, channels, (depth & 0x7F) + 1, is_signed=depth >= 0x80, turns_colours=turns
    )
