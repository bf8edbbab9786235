"""Reads TIFF files, whose values are interpreted by photometric interpretation, sample format and bits.

Pillow reads 1 to 8 unsigned bits correctly, but much else wrongly: it wraps signed bytes, swaps the bytes of
compressed big-endian numbers, and inverts WhiteIsZero in some depths only. Everything else is therefore read by
tifffile. `_in_8_bits` decides for each combination.
"""

import contextlib
import io
import logging
import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import tifffile
from jaxtyping import Num, UInt8
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from tljax.datasets.decoding import damage
from tljax.datasets.decoding.errors import BadImage
from tljax.datasets.decoding.pictures import opened, refuse_deep_colours, refuse_frames, refuse_too_large, to_8_bits
from tljax.datasets.decoding.scaling import stretch

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR = range(7)
COLOURS = {RGB: "RGB", PALETTE: "palette", CMYK: "CMYK", YCBCR: "YCbCr"}
CHANNELS = {RGB: 3, CMYK: 4, YCBCR: 3}
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
FORMATS = {UNSIGNED: "unsigned", SIGNED: "signed", FLOAT: "floating-point"}
NONE, LZW, JPEG, DEFLATE, PACKBITS, OLD_DEFLATE = COMPRESSIONS = 1, 5, 7, 8, 32773, 32946
BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC, ORIENTATION = 258, 259, 262, 274
SAMPLES_PER_PIXEL, EXTRA_SAMPLES = 277, 338
COLOUR_MAP, SAMPLE_FORMAT, JPEG_TABLES, SUBSAMPLING = 320, 339, 347, 530
WITHOUT_DATA = 42113  # the number that geographers write for pixels without data
PRE_MULTIPLIED = 1  # the extra channel is transparency, by which the others have been multiplied
BIG_ENDIAN_BIG = b"MM\0+"
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it writes of flaws in tags that do not matter here
MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # little- and big-endian, and the large files of either


def is_tiff(content: bytes) -> bool:
    """Returns whether a file is TIFF, by its first four bytes."""
    return content[:4] in MARKS


def decode_tiff(content: bytes) -> Image.Image:
    """Returns a TIFF file as grey or RGB of 8 bits, upright. Raises `BadImage`."""
    if content.startswith(BIG_ENDIAN_BIG):  # Pillow takes its tags for those of a small file
        raise BadImage("is a big-endian BigTIFF, which is not read; save it as a TIFF below 4 GB, or little-endian")
    by_pillow = _in_8_bits(_Tags(content))
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0].aspage()
        if (count := max(len(file.pages), _frames(file, page))) > 1:
            refuse_frames(count)
        refuse_too_large(page.imagewidth, page.imagelength)
        _check_parts(content, page)
        return _by_pillow(content, page) if by_pillow else _upright(Image.fromarray(_grey(content, page)), page)


def _frames(file: tifffile.TiffFile, page: tifffile.TiffPage) -> int:
    """Counts the frames of a file that stores several as one page, as ImageJ does with large stacks."""
    if not file.is_ome:  # it describes the pages of other files, too
        with contextlib.suppress(Exception):  # descriptions of stacks that tifffile cannot interpret
            return max(page.imagedepth, max(math.prod(series.shape) for series in file.series) // page.size)
    return page.imagedepth


class _Tags:
    """The tags of the first directory that describe its numbers. tifffile does not open files with unknown numbers."""

    def __init__(self, content: bytes):
        self._found = ImageFileDirectory_v2(content[: 16 if content[2:4] in (b"+\0", b"\0+") else 8])
        stream = io.BytesIO(content)
        stream.seek(self._found.next)
        self._found.load(stream)
        if PHOTOMETRIC not in self._found:
            raise BadImage("is a TIFF without PhotometricInterpretation, which says what its values mean")
        self.photometric = int(self._found[PHOTOMETRIC])
        self.compression = int(self._found.get(COMPRESSION, NONE))
        self.bits = self._same(BITS_PER_SAMPLE, 1, "bits a sample")
        self.format = self._same(SAMPLE_FORMAT, UNSIGNED, "a sample format")
        self.channels = int(self._found.get(SAMPLES_PER_PIXEL, 1))
        extra = self._found.get(EXTRA_SAMPLES, ())
        self.extra = tuple(extra) if isinstance(extra, tuple) else (extra,)
        self.is_subsampled = set(self._found.get(SUBSAMPLING, (2, 2))) != {1}

    def _same(self, tag: int, default: int, what: str) -> int:
        """Returns the value of a tag, which all channels have to share."""
        values = self._found.get(tag, default)
        values = set(values) if isinstance(values, tuple) else {values}
        if len(values) > 1:
            raise BadImage(f"is a TIFF whose channels have different {what}, which is not read")
        return int(values.pop())


def _in_8_bits(tags: _Tags) -> bool:
    """Returns whether Pillow reads it; else `_grey` does. Raises `BadImage` for a combination that is not read."""
    bits, photometric, kind = tags.bits, tags.photometric, tags.format
    if kind not in FORMATS:
        raise BadImage(f"is a TIFF of sample format {kind}; unsigned, signed or floating-point numbers are read")
    grey = photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)
    if not grey and photometric not in COLOURS:
        raise BadImage(f"is a TIFF of photometric interpretation {photometric}; grey, RGB, palettes, CMYK are read")
    more = tags.channels - CHANNELS.get(photometric, 1)
    if more not in (0, 1) or (more and grey and tags.extra not in ((1,), (2,))):
        raise BadImage(f"is a TIFF of {tags.channels} channels whose meaning is not stated")
    if tags.compression not in COMPRESSIONS or (tags.compression == JPEG and bits != 8):
        name = (
            tifffile.COMPRESSION(tags.compression).name if tags.compression in set(tifffile.COMPRESSION) else "unknown"
        )
        raise BadImage(
            f"is a TIFF of {bits} bits compressed by method {tags.compression} ({name}), which is not read; save it "
            f"uncompressed"
        )
    if photometric == YCBCR and tags.compression != JPEG and tags.is_subsampled:
        raise BadImage("is a TIFF of subsampled YCbCr colours without JPEG compression, which is not read")
    if kind == UNSIGNED and bits in ((1, 2, 4, 8) if grey or photometric == PALETTE else (8,)):
        return True
    if not grey:
        if kind == UNSIGNED and bits > 8:
            refuse_deep_colours(bits)
        raise BadImage(f"is a TIFF of {COLOURS[photometric]} colours in {bits} {FORMATS[kind]} bits; 8 bits are read")
    if bits not in (8, 16, 32, 64) or (kind == FLOAT and bits == 8):
        raise BadImage(f"is a TIFF of {bits} {FORMATS[kind]} bits; 8, 16, 32 and 64 are read")
    return False


def _by_pillow(content: bytes, page: tifffile.TiffPage) -> Image.Image:
    if page.compression == JPEG:
        tables = page.tags.valueof(JPEG_TABLES, b"")
        for segment in _segments(content, page):
            damage.check_jpeg(tables[:-2] + segment[2:] if tables else segment, page.samplesperpixel)
    image = opened(content)
    image.load()
    if image.mode == "P":
        values = np.array(page.tags.valueof(COLOUR_MAP), np.uint16).reshape(3, -1)
        if 0 < values.max() < 256:  # some programs write colours of 8 bits where 16 are meant
            image.putpalette(values.astype(np.uint8).T.tobytes())
    ImageOps.exif_transpose(image, in_place=True)
    return to_8_bits(image)


def _grey(content: bytes, page: tifffile.TiffPage) -> UInt8[np.ndarray, "h w"]:
    """Returns numbers of any type, stretched from the least to the greatest; WhiteIsZero is inverted."""
    if WITHOUT_DATA in page.tags:
        raise BadImage("is a TIFF that marks pixels without data (GDAL_NODATA), which is not read")
    if PRE_MULTIPLIED in page.extrasamples:
        raise BadImage(f"is a TIFF of {page.bitspersample} bits multiplied by its transparency, which is not read")
    pixels = _numbers(content, page)
    if pixels.ndim == 3:  # grey, then transparency, in one plane or in two
        pixels = pixels[0] if page.planarconfig == 2 else pixels[..., 0]
    shown = stretch(pixels)
    return 255 - shown if int(page.photometric) == WHITE_IS_ZERO else shown


def _numbers(content: bytes, page: tifffile.TiffPage) -> Num[np.ndarray, "..."]:
    """Returns the stored numbers, after checking that every part is present."""
    if page.predictor not in (1, 2):
        raise BadImage("is a TIFF with a floating-point predictor, which is not read; save it without a predictor")
    parts = [
        _unpacked(segment, int(page.compression), size)
        for segment, size in zip(_segments(content, page), _sizes(page), strict=True)
    ]
    if page.compression != NONE:
        content = _rewritten(content, page, parts)
    with tifffile.TiffFile(io.BytesIO(content)) as plain:
        numbers = plain.pages[0].asarray()
    kind = f"{numbers.dtype.kind}{numbers.dtype.itemsize}"
    return numbers.astype(kind, copy=False).view(kind)  # numpy has two types of 64 bits; we use one name for both


def _check_parts(content: bytes, page: tifffile.TiffPage) -> None:
    """Raises `BadImage` for missing or damaged strips or tiles that Pillow would fill with whatever is near."""
    for segment, size in zip(_segments(content, page), _sizes(page), strict=True):
        found = size
        if page.compression == NONE:
            found = len(segment)
        elif page.compression == PACKBITS:
            found = _length_of_packbits(segment, size)
        elif page.compression in (DEFLATE, OLD_DEFLATE):
            found = len(zlib.decompress(segment))
        if found < size:
            raise BadImage("is corrupt or truncated (a part of its pixels is missing)")
        if found > size and page.compression == PACKBITS:
            raise BadImage("is corrupt or truncated (a part of its pixels is longer than stated)")


def _length_of_packbits(segment: bytes, size: int) -> int:
    """Returns how many bytes a strip has if unpacked, at most one run more than `size`."""
    position = length = 0
    while position < len(segment) and length <= size:
        head = segment[position]
        if head < 128:  # that many bytes and one follow
            position += head + 2
            length += head + 1
        else:  # the next byte is repeated; 128 does nothing
            position += 2 if head > 128 else 1
            length += 257 - head if head > 128 else 0
    return length - max(0, position - len(segment))


def _segments(content: bytes, page: tifffile.TiffPage) -> Iterator[bytes]:
    """Yields the strips or tiles as they are stored."""
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if not count or offset + count > len(content):
            raise BadImage("is corrupt or truncated (a part of its pixels is missing)")
        yield content[offset : offset + count]


def _sizes(page: tifffile.TiffPage) -> list[int]:
    """Returns the bytes of every strip or tile; a last strip may be shorter than the others."""
    bits = page.bitspersample * (1 if page.planarconfig == 2 else page.samplesperpixel)
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    if page.is_tiled:
        return [page.tilelength * -(-page.tilewidth * bits // 8)] * len(page.dataoffsets)
    step = min(page.rowsperstrip, page.imagelength)
    rows = [min(step, page.imagelength - top) for top in range(0, page.imagelength, step)] * planes
    return [count * -(-page.imagewidth * bits // 8) for count in rows]


def _unpacked(segment: bytes, compression: int, size: int) -> bytes:
    """Returns the bytes of a strip or tile. Raises `BadImage` if there are too few."""
    if compression in (DEFLATE, OLD_DEFLATE):
        segment = zlib.decompress(segment)
    elif compression in (LZW, PACKBITS):
        segment = _unpacked_by_libtiff(segment, compression, size)
    if len(segment) < size:
        raise BadImage("is corrupt or truncated (a part of its pixels is missing)")
    return segment[:size]


def _unpacked_by_libtiff(segment: bytes, compression: int, size: int) -> bytes:
    """Unpacks a strip by Pillow's libtiff as if it were one line of grey bytes, whatever numbers it holds."""
    tags = [(256, size), (257, 1), (258, 8), (259, compression), (262, 1), (273, 8), (277, 1), (278, 1)]
    tags.append((279, len(segment)))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = segment + bytes(len(segment) % 2)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return opened(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory).tobytes()


def _rewritten(content: bytes, page: tifffile.TiffPage, parts: list[bytes]) -> bytes:
    """Returns the same file with its strips or tiles in a compression that tifffile reads without other packages."""
    names = ("TileOffsets", "TileByteCounts") if page.is_tiled else ("StripOffsets", "StripByteCounts")
    offsets, counts, added = [], [], bytearray(len(content) % 2)
    for part in parts:
        packed = zlib.compress(part, 0)
        offsets.append(len(content) + len(added))
        counts.append(len(packed))
        added += packed + bytes(len(packed) % 2)
    stream = io.BytesIO(content + bytes(added))
    with tifffile.TiffFile(stream, mode="r+") as file:
        tags = file.pages[0].aspage().tags
        tags["Compression"].overwrite(DEFLATE)
        tags[names[0]].overwrite(offsets)
        tags[names[1]].overwrite(counts)
    return stream.getvalue()


def _upright(image: Image.Image, page: tifffile.TiffPage) -> Image.Image:
    image.getexif()[ORIENTATION] = page.tags.valueof(ORIENTATION, 1)
    return ImageOps.exif_transpose(image)
