"""Reads the stored values of a DICOM file, after checks that its elements and its pixels agree."""

import math

import numpy as np
import pydicom
from jaxtyping import Num
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from tljax.datasets.decoding import damage
from tljax.datasets.decoding.codestreams import Codestream, read_jpeg_2000_header, read_jpeg_header
from tljax.datasets.decoding.errors import BadImage, NoDecoder

GDCM = "`pip install python-gdcm` installs one"
OTHER_DECODERS = "`pip install pylibjpeg pylibjpeg-openjpeg` may install one"
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT")
UNCOMPRESSED_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422")
JPEG_2000_RGB = ("RGB", "YBR_RCT", "YBR_ICT")  # decoding gives RGB
RLE_COLOURS = ("RGB", "YBR_FULL")


def read_pixels(header: pydicom.Dataset) -> Num[np.ndarray, "..."]:
    """Returns the stored values (`h w`, or `h w 3` in RGB). Raises `BadImage` if they are damaged or contradictory."""
    syntax = header.file_meta.TransferSyntaxUID
    is_compressed = _is_compressed(syntax)
    header.NumberOfFrames = 1  # the caller refuses several frames, and some devices write 0
    _check_elements(header, syntax)
    stream = None
    if is_compressed:
        stream = _check_frame(get_frame(header.PixelData, 0, number_of_frames=1), header, syntax)
    elif "PixelData" in header:
        _check_length(header)
    stored = header.get("BitsStored")
    if stream and stream.bits > stored:  # otherwise bits that the header does not state would be lost
        header.BitsStored, header.HighBit = stream.bits, stream.bits - 1
    with damage.warnings_of_libjpeg_as_errors(syntax in JPEGTransferSyntaxes):
        try:
            pixels = header.pixel_array
        except RuntimeError as error:  # of each decoder that was tried
            reason = " ".join(str(error).rpartition(":")[2].split())
            raise BadImage(f"is a DICOM file whose {syntax.name} image cannot be decoded ({reason})") from error
    if pixels.shape[:2] != (header.Rows, header.Columns):
        raise BadImage(
            f"is a DICOM file of {len(pixels)} frames, but NumberOfFrames does not say so; save the right frame as a "
            f"separate file"
        )
    if stream:
        _check_bits(pixels, header, stream, stored)
    return pixels


def _is_compressed(syntax: UID) -> bool:
    """Returns whether the pixels are compressed. Raises `NoDecoder` if no installed package reads them."""
    try:
        if not syntax.is_encapsulated:
            return False
    except ValueError:
        raise BadImage(f"is a DICOM file of the transfer syntax {syntax}, which is unknown") from None
    try:
        is_available = get_decoder(syntax).is_available
    except NotImplementedError:
        raise BadImage(f"is a DICOM file compressed as {syntax.name}, which is not read") from None
    if not is_available:
        by_gdcm = syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes)
        raise NoDecoder(
            f"is a DICOM file compressed as {syntax.name}, for which no decoder is installed; "
            f"{GDCM if by_gdcm else OTHER_DECODERS}"
        )
    return True


def _check_elements(header: pydicom.Dataset, syntax: UID) -> None:
    """Raises `BadImage` for elements that contradict each other."""
    kind, channels = header.PhotometricInterpretation, int(header.SamplesPerPixel)
    if channels != (3 if kind in COLOURS else 1):
        raise BadImage(f"is a DICOM file of {kind} with {channels} samples per pixel: these two contradict each other")
    if kind in COLOURS and (header.get("PixelRepresentation") or header.get("BitsStored", 8) != 8):
        sign = "signed" if header.get("PixelRepresentation") else "unsigned"
        raise BadImage(f"is a DICOM file with colours of {header.get('BitsStored')} {sign} bits; 8 unsigned are read")
    if syntax.is_encapsulated and syntax != RLELossless:
        return
    if kind in COLOURS and kind not in (RLE_COLOURS if syntax == RLELossless else UNCOMPRESSED_COLOURS):
        raise BadImage(f"is a DICOM file of {kind} colours, which the transfer syntax {syntax.name} does not allow")
    if kind == "YBR_FULL_422" and header.Columns % 2:
        raise BadImage(f"is a DICOM file of {kind} with {header.Columns} columns, but their number must be even")
    bits, high = header.get("BitsStored"), header.get("HighBit")
    if "PixelData" in header and bits and high is not None and high != bits - 1:
        raise BadImage(f"is a DICOM file of {bits} bits whose high bit is {high}; only {bits - 1} is read")


def _check_length(header: pydicom.Dataset) -> None:
    """Raises `BadImage` if there are more pixels than Rows x Columns. pydicom refuses fewer."""
    row = header.Columns * header.SamplesPerPixel * header.BitsAllocated / 8
    if header.PhotometricInterpretation == "YBR_FULL_422":
        row *= 2 / 3
    wanted, found = header.Rows * row, len(header.PixelData or b"")
    if not found:
        raise BadImage("is a DICOM file whose pixels are empty")
    if header.PhotometricInterpretation == "YBR_FULL_422" or found <= wanted:
        return
    end = math.ceil(wanted)
    if found >= wanted + row and any(header.PixelData[end:]):  # zeros are padding, of which pydicom would warn
        raise BadImage(
            f"is a DICOM file with {found:,} bytes of pixels, but {header.Rows} rows of {header.Columns} pixels have "
            f"{end:,}: does it hold several frames, or are Rows and Columns wrong?"
        )
    header["PixelData"].value = header.PixelData[: end + end % 2]


def _check_frame(frame: bytes, header: pydicom.Dataset, syntax: UID) -> Codestream | None:
    """Returns the header of the compressed image. Raises `BadImage` if it is damaged or not what the elements say."""
    if syntax in (JPEGLossless, JPEGLosslessSV1, *JPEGLSTransferSyntaxes):
        damage.check_lossless_jpeg(frame)
    if syntax in JPEG2000TransferSyntaxes:
        damage.check_jpeg_2000(frame)
        stream = read_jpeg_2000_header(frame)
        kind = header.PhotometricInterpretation
        if kind in COLOURS and kind not in (JPEG_2000_RGB if stream.turns_colours else (*JPEG_2000_RGB, "YBR_FULL")):
            raise BadImage(f"is a DICOM file of {kind} colours, while decoding its JPEG 2000 image gives others")
    elif syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        stream = read_jpeg_header(frame)
    else:
        return None
    if syntax in JPEGTransferSyntaxes:
        damage.check_jpeg(frame, header.SamplesPerPixel)
    said = (header.Rows, header.Columns, header.SamplesPerPixel)
    if (stream.rows, stream.columns, stream.channels) != said:
        raise BadImage(
            f"is a DICOM file that says {' x '.join(map(str, said))} (rows, columns, channels), while its compressed "
            f"image says {stream.rows} x {stream.columns} x {stream.channels}"
        )
    return stream


def _check_bits(pixels: Num[np.ndarray, "..."], header: pydicom.Dataset, stream: Codestream, stored: int) -> None:
    """Raises `BadImage` if the values do not fit the bits and the sign that the elements state."""
    is_signed = bool(header.PixelRepresentation)
    if stream.is_signed and not is_signed:
        raise BadImage("is a DICOM file whose compressed image has signed values while PixelRepresentation says 0")
    if is_signed and not stream.is_signed and stream.bits < stored and pixels.max() >= 1 << (stream.bits - 1):
        raise BadImage(
            f"is a DICOM file of {stored} signed bits whose compressed image has {stream.bits} unsigned ones"
        )
    low, high = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if is_signed else (0, (1 << stored) - 1)
    if pixels.min() < low or pixels.max() > high:
        raise BadImage(f"is a DICOM file of {stored} bits whose compressed image has values of {stream.bits} bits")
