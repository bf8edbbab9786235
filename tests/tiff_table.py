"""The table of what is read of a TIFF file: the test goes through it, and docs/data.md shows it.

python tests/tiff_table.py    # writes it into docs/data.md
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

WHITE, BLACK, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB, CFA = 0, 1, 2, 3, 4, 5, 6, 8, 32803
UNSIGNED, SIGNED, FLOAT, UNDEFINED, COMPLEX_INTEGERS, COMPLEX = 1, 2, 3, 4, 5, 6
NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
CHANNELS = {RGB: 3, CMYK: 4, YCBCR: 3, CIELAB: 3}

GREY = (WHITE, BLACK)
AS_IT_IS = "read as it is"
STRETCHED = "read, stretched from the least to the greatest value"
DEEP = "refused: has colours of {bits} bits"
KINDS = "refused: colours in {bits} {kind} bits"
BITS = "refused: is a TIFF of {bits} {kind} bits"
OTHER = "refused: photometric interpretation {photometric}"
FORMAT = "refused: sample format {format}"

TABLE: list[tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...], str]] = [
    # what, photometric interpretations, sample formats, bits, what becomes of it
    ("grey", GREY, (UNSIGNED,), (1, 2, 4, 8), AS_IT_IS),
    ("grey", GREY, (UNSIGNED,), (16, 32, 64), STRETCHED),
    ("grey", GREY, (SIGNED,), (8, 16, 32, 64), STRETCHED),
    ("grey", GREY, (FLOAT,), (16, 32, 64), STRETCHED),
    ("grey", GREY, (UNSIGNED,), (12, 24), BITS),
    ("grey", GREY, (SIGNED,), (1, 4), BITS),
    ("grey", GREY, (FLOAT,), (8, 24), BITS),
    ("palette", (PALETTE,), (UNSIGNED,), (1, 2, 4, 8), AS_IT_IS),
    ("palette", (PALETTE,), (UNSIGNED,), (16,), DEEP),
    ("RGB, CMYK, YCbCr", (RGB, CMYK, YCBCR), (UNSIGNED,), (8,), AS_IT_IS),
    ("RGB, CMYK, YCbCr", (RGB, CMYK, YCBCR), (UNSIGNED,), (16, 32, 64), DEEP),
    ("RGB, CMYK, YCbCr, palette", (RGB, CMYK, YCBCR, PALETTE), (SIGNED,), (8, 16, 32, 64), KINDS),
    ("RGB, CMYK, YCbCr, palette", (RGB, CMYK, YCBCR, PALETTE), (FLOAT,), (16, 32, 64), KINDS),
    ("masks, CIELab, raw sensors", (MASK, CIELAB, CFA), (UNSIGNED,), (1, 8, 16), OTHER),
    ("any", (*GREY, RGB, PALETTE), (UNDEFINED, COMPLEX_INTEGERS, COMPLEX), (8, 16, 32, 64), FORMAT),
]
NAMES = {UNSIGNED: "unsigned", SIGNED: "signed", FLOAT: "floating-point"}


def values(kind: int, bits: int, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers from the least to the greatest that there are."""
    count = int(np.prod(shape))
    if kind == FLOAT:
        return np.linspace(-1000, 1000, count).reshape(shape).astype(f"f{bits // 8}" if bits in (16, 32, 64) else "f2")
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind == SIGNED else (0, 2**bits - 1)
    numbers = [low + (high - low) * step // (count - 1) for step in range(count)]
    return np.array(numbers, f"{'i' if kind == SIGNED else 'u'}{-(-bits // 8) if bits not in (12, 24) else 4}").reshape(
        shape
    )


def packed(numbers: np.ndarray, bits: int, order: str) -> bytes:
    """The bytes of the lines; fewer bits than 8 share a byte."""
    if bits >= 8:
        return numbers.astype(numbers.dtype.newbyteorder(order)).tobytes()
    lines = numbers.reshape(len(numbers), -1)
    ones = np.unpackbits(lines.view(np.uint8)[..., None], axis=2)[..., 8 - bits :]
    return np.packbits(ones.reshape(len(lines), -1), axis=1).tobytes()


def compressed(content: bytes, compression: int) -> bytes:
    if compression == DEFLATE:
        return zlib.compress(content)
    if compression == NONE:
        return content
    buffer, method = io.BytesIO(), {LZW: "tiff_lzw", PACKBITS: "packbits"}[compression]
    Image.frombytes("L", (len(content), 1), content).save(buffer, "TIFF", compression=method)
    tags = Image.open(buffer).tag_v2
    return buffer.getvalue()[tags[273][0] : tags[273][0] + tags[279][0]]


def tiff(
    numbers: np.ndarray, photometric: int, kind: int, bits: int, order: str = "<", compression: int = NONE, **more
) -> bytes:
    """A TIFF file of one strip, byte by byte. more: further tags, as `t<number>=(type, values)`."""
    height, width = numbers.shape[:2]
    channels = numbers.shape[2] if numbers.ndim == 3 else 1
    data = compressed(packed(numbers, bits, order), compression)
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * channels), 259: (3, [compression])}
    tags |= {262: (3, [photometric]), 273: (4, [8]), 277: (3, [channels]), 278: (4, [height]), 279: (4, [len(data)])}
    tags |= {339: (3, [kind] * channels)}
    if photometric == PALETTE:
        tags[320] = (
            3,
            [257 * (255 - level * 255 // (2 ** min(bits, 8) - 1)) for level in range(2 ** min(bits, 8))] * 3,
        )
    if photometric == YCBCR:
        tags[530] = (3, [1, 1])
    tags |= {int(name[1:]): value for name, value in more.items()}
    position, entries, behind = 8 + len(data) + len(data) % 2, b"", b""
    after = position + 2 + 12 * len(tags) + 4
    for tag, (type_, content) in sorted(tags.items()):
        raw = struct.pack(order + {2: "B", 3: "H", 4: "I"}[type_] * len(content), *content)
        if len(raw) > 4:
            place = struct.pack(order + "I", after + len(behind))
            behind += raw
        else:
            place = raw.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, type_, len(content)) + place
    directory = struct.pack(order + "H", len(tags)) + entries + bytes(4) + behind
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", position) + data.ljust(position - 8, b"\0") + directory


def markdown() -> str:
    """The table as docs/data.md shows it."""
    formats = {UNDEFINED: "undefined", COMPLEX_INTEGERS: "complex integers", COMPLEX: "complex"} | NAMES
    lines = ["| TIFF of | numbers | bits | is |", "|---|---|---|---|"]
    for what, _, kinds, bits, outcome in TABLE:
        said = "refused" if outcome.startswith("refused") else outcome
        named = ", ".join(formats[kind] for kind in kinds)
        lines.append(f"| {what} | {named} | {', '.join(map(str, bits))} | {said} |")
    return "\n".join(lines)


DOCS = Path(__file__).resolve().parents[1] / "docs" / "data.md"
BEGIN, END = "<!-- written by tests/tiff_table.py -->\n", "\n<!-- end -->"


def shown() -> str:
    """Returns the table in docs/data.md."""
    return DOCS.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


if __name__ == "__main__":
    text = DOCS.read_text(encoding="utf-8")
    DOCS.write_text(text.replace(BEGIN + shown() + END, BEGIN + markdown() + END), encoding="utf-8")
