"""Detects damaged images that decoders accept: they fill missing parts, with a warning at most.

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

from tljax.datasets.decoding.errors import BadImage

PNG_MARK = b"\x89PNG\r\n\x1a\n"
JPEG_SCALABLE, JPEG_LOSSLESS = (0xC0, 0xC1, 0xC2), 0xC3  # baseline, extended, progressive; lossless
JPEG_DAMAGE = re.compile("corrupt|premature|inconsistent progression", re.IGNORECASE)
JPEG_2000_START = b"\xff\x4f\xff\x51"  # a codestream's first two markers
JPEG_2000_TILE, JPEG_2000_END = b"\xff\x90", b"\xff\xd9"
ZEROS = 32  # zero bytes with which the data of a whole JPEG 2000 or lossless WebP never end (measured: up to 23)

_listening = threading.Lock()


def check_png(content: bytes) -> None:
    """Checks the checksums of the critical chunks, which Pillow ignores, and that the last chunk is present."""
    position = len(PNG_MARK)
    while position + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 8 + length
        if end + 4 > len(content):
            break
        if kind[:1].isupper() and zlib.crc32(content[position + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
            raise BadImage(f"is corrupt or truncated (the check sum of its chunk {kind.decode('latin-1')} is wrong)")
        if kind == b"IEND":
            return
        position = end + 4
    raise BadImage("is corrupt or truncated (it ends before its last chunk)")


def check_jpeg(content: bytes, channels: int) -> None:
    """Decodes with libjpeg's warnings of corrupt data as errors, at an eighth of the size if possible."""
    process, precision = _jpeg_frame(content)
    if precision != 8 or process not in (*JPEG_SCALABLE, JPEG_LOSSLESS):
        return  # not read by Pillow either
    small: dict[str, Any] = (
        {"min_height": 1, "min_width": 1} if process in JPEG_SCALABLE else {}
    )  # a lossless one has one size only
    try:
        simplejpeg.decode_jpeg(content, {1: "GRAY", 4: "CMYK"}.get(channels, "RGB"), **small)
    except ValueError as error:
        if JPEG_DAMAGE.search(str(error)):  # other errors are about kinds of JPEG that Pillow may read
            raise BadImage(f"is corrupt or truncated ({' '.join(str(error).split())})") from error


def _jpeg_frame(content: bytes) -> tuple[int, int]:
    """Returns the second byte of the frame's marker, which names the process, and the bits of a sample."""
    position = 2
    while position + 5 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker, content[position + 4]
        filling = marker == 0xFF
        position += 1 if filling else 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    raise BadImage("is corrupt or truncated (a JPEG without a frame)")


def check_jpeg_2000(content: bytes) -> None:
    """Follows the stated lengths of the tile parts to the end of the codestream."""
    start = content.find(JPEG_2000_START)
    if start < 0:
        raise BadImage("is corrupt or truncated (a JPEG 2000 without a codestream)")
    position = start + 2
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
    """Raises `BadImage` if a decoder writes libjpeg's warning to standard error and invents the rest.

    gdcm's decoders do so for lossless JPEG of 12 or 16 bits. Other text on standard error is passed on. Only one thread
    at a time may use this.
    """
    if not wanted:
        yield
        return
    with _listening, tempfile.TemporaryFile() as heard:
        sys.stderr.flush()
        usual = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(usual, 2)
            os.close(usual)
            heard.seek(0)
            lines = heard.read().splitlines(keepends=True)
            complaints = [line for line in lines if JPEG_DAMAGE.search(line.decode("utf-8", "replace"))]
            os.write(2, b"".join(line for line in lines if line not in complaints))
    if complaints:
        reason = complaints[0].decode("utf-8", "replace").strip()
        raise BadImage(f"is corrupt or truncated ({reason})")
