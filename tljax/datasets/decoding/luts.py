"""Reads DICOM's look-up tables: modality tables, VOI tables, and colour palettes.

pydicom reads a table of more than 256 entries of 8 bits as 16-bit words, and gives wrong values. Here a table is read
by its descriptor (number of entries, value of the first one, bits per entry) and by its number of bytes.
"""

from dataclasses import dataclass

import numpy as np
import pydicom
from jaxtyping import Num, UInt8

from tljax.datasets.decoding.errors import BadImage

DEPTHS = (8, 10, 12, 14)  # bit depths that devices store in words of 16 bits
PALETTES = ("Red", "Green", "Blue")


@dataclass(frozen=True)
class LookUpTable:
    """A look-up table: `entries[0]` is for the value `first` and all values below it, the last entry for all above."""

    entries: Num[np.ndarray, " n"]
    first: int
    bits: int
    """Bits of an entry. Many files declare 16 but use fewer: then the smallest usual depth that holds all entries."""

    def __call__(self, values: Num[np.ndarray, "h w"]) -> Num[np.ndarray, "h w"]:
        return self.entries[np.clip(np.rint(values).astype(np.int64) - self.first, 0, len(self.entries) - 1)]


def read_lut(
    item: pydicom.Dataset,
    descriptor: str = "LUTDescriptor",
    data: str = "LUTData",
    *,
    little: bool,
    is_signed: bool,
) -> LookUpTable:
    """Reads a look-up table, whose entries may be bytes or words. Raises `BadImage` if it is incomplete.

    little: whether the file is little-endian. is_signed: whether the values to look up may be negative; many files
    write a negative first value without its sign.
    """
    if descriptor not in item or data not in item:
        raise BadImage(f"has a look-up table without {descriptor if descriptor not in item else data}")
    count, first, declared = (int(value) for value in item[descriptor].value)
    count = count % (1 << 16) or 1 << 16  # 0 means 65,536
    if not 1 <= declared <= 16:
        raise BadImage(f"has a look-up table of {declared} bits per entry; 1 to 16 are possible")
    first -= 1 << 16 if is_signed and first >= 1 << 15 else 0
    value = item[data].value
    if isinstance(value, bytes):
        stored = value
    else:
        words = np.atleast_1d(np.asarray(value)).astype(np.int64) & 0xFFFF
        stored = words.astype("<u2" if little else ">u2").tobytes()
    packed = declared <= 8 and count <= len(stored) < 2 * count
    kind = np.dtype(np.uint8 if packed else "<u2" if little else ">u2")
    entries = np.frombuffer(stored, kind, count=len(stored) // kind.itemsize)
    if packed and not little:
        entries = entries.reshape(-1, 2)[:, ::-1].reshape(-1)  # two in a word, the lower one first
    if len(entries) < count:
        raise BadImage(f"has a look-up table of {len(entries)} entries where {count} are declared")
    entries = entries[:count].astype(np.uint16)
    needed = int(entries.max()).bit_length()
    return LookUpTable(entries, first, next(bits for bits in (*DEPTHS, 16) if bits >= needed or bits == declared))


def apply_palette(pixels: Num[np.ndarray, "h w"], header: pydicom.Dataset) -> UInt8[np.ndarray, "h w 3"]:
    """Returns the colours of a PALETTE COLOR image, in 8 bits."""
    if any(f"Segmented{name}PaletteColorLookupTableData" in header for name in PALETTES):
        from pydicom.pixels.processing import apply_color_lut

        colours = apply_color_lut(pixels, header)
        return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
    tables = [
        read_lut(
            header,
            f"{name}PaletteColorLookupTableDescriptor",
            f"{name}PaletteColorLookupTableData",
            little=header.file_meta.TransferSyntaxUID.is_little_endian,
            is_signed=pixels.dtype.kind == "i",
        )
        for name in PALETTES
    ]
    shift = max(table.bits for table in tables) - 8  # one scale for the three channels, so that colours are kept
    return np.stack([table(pixels) >> shift for table in tables], axis=-1).astype(np.uint8)
