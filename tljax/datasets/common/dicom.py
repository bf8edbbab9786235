"""DICOM to 8-bit grey or RGB: modality rescale, the file's own window, photometric inversion."""

import io

import numpy as np
import pydicom
from jaxtyping import Num, UInt8
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, get_decoder
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tljax.datasets.common.decode import BadImage, NoDecoder, stretch, window

DECODERS = "pip install python-gdcm brings those of lossless JPEG and of JPEG-LS"


def decode_dicom(content: bytes) -> UInt8[np.ndarray, "..."]:
    """The pixels (`h w`, or `h w 3`) of a single-frame DICOM file. Raises `BadImage`."""
    try:
        return _decode(_read(content))
    except BadImage:
        raise
    except Exception as error:  # pydicom and its decoders raise many kinds; each means that this file is unreadable
        raise BadImage(f"is a DICOM file that cannot be decoded ({' '.join(str(error).split())})") from error


def _read(content: bytes) -> pydicom.Dataset:
    """The file, which may lack the preamble and the header that names its transfer syntax."""
    header = pydicom.dcmread(io.BytesIO(content), force=True)
    if "TransferSyntaxUID" not in header.file_meta:
        implicit, little = header.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return header


def _decode(header: pydicom.Dataset) -> UInt8[np.ndarray, "..."]:
    if "PixelData" not in header:
        raise BadImage("is a DICOM file without pixels")
    frames = int(header.get("NumberOfFrames") or 1)
    if frames > 1:
        raise BadImage(f"is a DICOM file of {frames} frames; keep the one that is meant, as a file of its own")
    syntax = header.file_meta.TransferSyntaxUID
    if syntax.is_compressed and not get_decoder(syntax).is_available:
        raise NoDecoder(f"is a DICOM file compressed as {syntax.name}, for which no decoder is installed; {DECODERS}")
    pixels = header.pixel_array  # YBR colours are already RGB
    if header.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(pixels, header)
        return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
    if pixels.ndim == 3:
        return pixels if pixels.dtype == np.uint8 else stretch(pixels)
    grey = _grey(pixels, header)
    return 255 - grey if header.PhotometricInterpretation == "MONOCHROME1" else grey


def _grey(pixels: Num[np.ndarray, "h w"], header: pydicom.Dataset) -> UInt8[np.ndarray, "h w"]:
    if header.get("ModalityLUTSequence") or header.get("VOILUTSequence"):
        return stretch(apply_voi_lut(apply_modality_lut(pixels, header), header))
    centre, width = _number(header, "WindowCenter"), _number(header, "WindowWidth")
    if centre is None or width is None:
        padding = header.get("PixelPaddingValue")
        return stretch(pixels, None if padding is None else pixels != padding)
    slope, intercept = _number(header, "RescaleSlope"), _number(header, "RescaleIntercept") or 0.0
    # PS3.3 C.11.2.1.2.1; the window is brought to stored values, so that a large image needs no second copy
    low, high = ((centre - 0.5 + half * (max(width, 2) - 1) / 2 - intercept) / (slope or 1.0) for half in (-1, 1))
    grey = window(pixels, low, high)
    if grey.min() == grey.max():
        raise BadImage(f"is of one grey in its own window (centre {centre:g}, width {width:g}): nothing to see")
    return grey


def _number(header: pydicom.Dataset, name: str) -> float | None:
    """The first value of an element; None where it is absent or, as some devices leave it, empty."""
    value = header.get(name)
    if isinstance(value, MultiValue):
        value = value[0] if value else None
    return None if value in (None, "") else float(value)
