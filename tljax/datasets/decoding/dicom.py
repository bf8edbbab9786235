"""Decodes DICOM to 8-bit grey or RGB: modality rescale or table, the file's window or table, photometric inversion.

These elements are read at the top level, where classic objects keep them, and in the functional groups of the frame,
where enhanced objects keep them.
"""

import io
import math
from collections.abc import Iterator

import numpy as np
import pydicom
from jaxtyping import Bool, Num, UInt8
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_windowing
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tljax.datasets.decoding.dicom_pixels import COLOURS, PIXELS, read_pixels
from tljax.datasets.decoding.errors import BadImage
from tljax.datasets.decoding.luts import apply_palette, read_lut
from tljax.datasets.decoding.scaling import ROWS, refuse_not_finite, scale, stretch

NEEDED = ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PhotometricInterpretation")
PRESENTATION = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}
"""Grey photometric interpretations, each with the PresentationLUTShape that says the same."""


def decode_dicom(content: bytes) -> UInt8[np.ndarray, "..."]:
    """Returns the pixels (`h w`, or `h w 3`) of a single-frame DICOM file. Raises `BadImage`."""
    try:
        return _decode(_read(content))
    except BadImage:
        raise
    except Exception as error:  # pydicom and its decoders raise many types; each means that this file is unreadable
        raise BadImage(f"is a DICOM file that cannot be decoded ({' '.join(str(error).split())})") from error


def _read(content: bytes) -> pydicom.Dataset:
    """Returns the file, which may lack the preamble and the header that names its transfer syntax."""
    header = pydicom.dcmread(io.BytesIO(content), force=True)
    if "TransferSyntaxUID" not in header.file_meta:
        implicit, little = header.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
        if "PixelData" in header and header["PixelData"].is_undefined_length:
            raise BadImage(
                "is a DICOM file of compressed pixels without a TransferSyntaxUID, which says how to read them"
            )
    return header


def _decode(header: pydicom.Dataset) -> UInt8[np.ndarray, "..."]:
    if not any(name in header for name in PIXELS):
        raise BadImage("is a DICOM file without pixels")
    if absent := [name for name in NEEDED if header.get(name) in (None, "")]:
        raise BadImage(f"is a DICOM file without {', '.join(absent)}, which say what its pixels mean")
    frames = int(header.get("NumberOfFrames") or 1)
    if frames > 1:
        raise BadImage(f"is a DICOM file of {frames} frames; save the right frame as a separate file")
    kind = header.PhotometricInterpretation
    if kind in COLOURS and header.BitsAllocated != 8:
        raise BadImage(f"is a DICOM file with colours of {header.BitsAllocated} bits; only 8 bits per channel are read")
    if kind not in (*COLOURS, *PRESENTATION, "PALETTE COLOR"):
        raise BadImage(f"is a DICOM file of the photometric interpretation {kind}, which is not read")
    pixels = read_pixels(header)  # YBR colours are already RGB
    if kind == "PALETTE COLOR":
        return apply_palette(pixels, header)
    if kind in COLOURS:
        return pixels
    grey = _grey(pixels, header)
    return 255 - grey if kind == "MONOCHROME1" else grey


def _grey(pixels: Num[np.ndarray, "h w"], header: pydicom.Dataset) -> UInt8[np.ndarray, "h w"]:
    _refuse_other_presentations(header)
    seen = _not_padding(pixels, header)
    slope, intercept = _number(header, "RescaleSlope"), _number(header, "RescaleIntercept")
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    if slope == 0:
        raise BadImage("has a rescale slope of 0, so that all pixels would be equal")
    little = header.file_meta.TransferSyntaxUID.is_little_endian
    is_signed = pixels.dtype.kind != "u"
    if modality := _element(header, "ModalityLUTSequence"):
        pixels = read_lut(modality[0], little=little, is_signed=is_signed)(pixels)
        slope, intercept, is_signed = 1.0, 0.0, False
    if display := _element(header, "VOILUTSequence"):
        table = read_lut(display[0], little=little, is_signed=is_signed or slope < 0 or intercept < 0)
        values = pixels if (slope, intercept) == (1, 0) else pixels * slope + intercept
        grey = scale(table(values), 0.0, float(2**table.bits - 1))
        return _not_constant(grey, "VOI look-up table")
    view = _view(header)
    if view is None:  # stretching the rescaled values gives the same, except for the sign of the slope
        grey = stretch(pixels, seen)
        return 255 - grey if slope < 0 else grey
    refuse_not_finite(pixels)
    return _windowed(pixels, slope, intercept, view)


def _view(header: pydicom.Dataset) -> pydicom.Dataset | None:
    """Returns only the file's first window, for a display of 0..255; None if the file has none."""
    centre, width = _number(header, "WindowCenter"), _number(header, "WindowWidth")
    if centre is None or not width:  # some devices write a width of 0 for no window
        return None
    function = _element(header, "VOILUTFunction") or "LINEAR"
    least = 1 if function == "LINEAR" else 0
    if width < least:
        raise BadImage(f"has a window of width {width:g}; a {function} window is at least {least} wide")
    view = pydicom.Dataset()
    view.PhotometricInterpretation, view.PixelRepresentation, view.BitsStored = "MONOCHROME2", 0, 8
    view.WindowCenter, view.WindowWidth, view.VOILUTFunction = centre, width, function
    return view


def _windowed(
    pixels: Num[np.ndarray, "h w"], slope: float, intercept: float, view: pydicom.Dataset
) -> UInt8[np.ndarray, "h w"]:
    grey = np.empty(pixels.shape, np.uint8)
    for start in range(0, len(pixels), ROWS):  # in parts, so that a large image is not in memory as floats
        rescaled = pixels[start : start + ROWS] * slope + intercept
        with np.errstate(over="ignore"):  # a sigmoid's exponential, far below the window
            grey[start : start + ROWS] = np.rint(apply_windowing(rescaled, view))
    return _not_constant(grey, f"window (centre {view.WindowCenter:g}, width {view.WindowWidth:g})")


def _not_constant(grey: UInt8[np.ndarray, "h w"], by: str) -> UInt8[np.ndarray, "h w"]:
    if grey.min() == grey.max():
        raise BadImage(f"shows a single grey with its own {by}")
    return grey


def _refuse_other_presentations(header: pydicom.Dataset) -> None:
    """Raises `BadImage` for elements that would change the grey values after the window."""
    kind, shape = header.PhotometricInterpretation, _element(header, "PresentationLUTShape")
    if shape and shape != PRESENTATION[kind]:
        raise BadImage(f"is a DICOM file of {kind} with the presentation LUT shape {shape}, which contradicts it")
    if _element(header, "PresentationLUTSequence"):
        raise BadImage("is a DICOM file with a presentation look-up table, which is not read")
    if (presentation := _element(header, "PixelPresentation")) in ("COLOR", "MIXED"):
        raise BadImage(
            f"is a DICOM file of grey with the pixel presentation {presentation}, whose colours are not read"
        )


def _not_padding(pixels: Num[np.ndarray, "h w"], header: pydicom.Dataset) -> Bool[np.ndarray, "h w"] | None:
    """Returns a mask of stored values that are not padding: the padding value or, with a limit, its range."""
    padding = _stored(header, "PixelPaddingValue")
    if padding is None:
        return None
    limit = _stored(header, "PixelPaddingRangeLimit")
    low, high = sorted((padding, padding if limit is None else limit))
    return (pixels < low) | (pixels > high)


def _stored(header: pydicom.Dataset, name: str) -> float | None:
    """Returns an element's stored value with the sign of the pixels: some devices write -2000 as 63536."""
    value = _number(header, name)
    if value is None or "PixelData" not in header:
        return value
    bits = header.BitsAllocated
    if header.PixelRepresentation and value >= 1 << (bits - 1):
        return value - (1 << bits)
    return value + (1 << bits) if not header.PixelRepresentation and value < 0 else value


def _number(header: pydicom.Dataset, name: str) -> float | None:
    """Returns the first value of an element; None if it is absent or empty."""
    value = _element(header, name)
    if isinstance(value, MultiValue):
        value = value[0] if value else None
    if value in (None, ""):
        return None
    number = float(value)
    if not math.isfinite(number):
        raise BadImage(f"is a DICOM file whose {name} is {number}")
    return number


def _element(header: pydicom.Dataset, name: str):
    """Returns the value of an element of the frame, from its functional groups first; None if it is absent."""
    return next((item[name].value for item in _places(header) if name in item), None)


def _places(header: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    """Yields the places of the frame's elements: its functional groups, the shared ones, the top level."""
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for group in (header.get(groups) or ())[:1]:
            for element in group:
                if element.VR == "SQ" and element.value and not element.tag.is_private:
                    yield element.value[0]
    yield header
