"""DICOM to 8-bit grey or RGB: modality rescale, the file's own window, photometric inversion."""

import io

import numpy as np
import pydicom
from jaxtyping import Bool, Num, UInt8
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, apply_windowing, get_decoder
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tljax.datasets.decoding.scaling import ROWS, BadImage, NoDecoder, stretch

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
    if header.get("VOILUTSequence"):
        return stretch(apply_voi_lut(apply_modality_lut(pixels, header), header))
    seen = _not_padding(pixels, header)
    slope, intercept = _number(header, "RescaleSlope") or 1.0, _number(header, "RescaleIntercept") or 0.0
    if header.get("ModalityLUTSequence"):
        pixels, slope, intercept = apply_modality_lut(pixels, header), 1.0, 0.0
    view = _view(header)
    if view is None:  # the stretch is that of the stored values, but for the sign
        grey = stretch(pixels, seen)
        return 255 - grey if slope < 0 else grey
    return _windowed(pixels, slope, intercept, view)


def _view(header: pydicom.Dataset) -> pydicom.Dataset | None:
    """The file's first window alone, as of a device that shows 0..255; None where the file has none."""
    centre, width = _number(header, "WindowCenter"), _number(header, "WindowWidth")
    if centre is None or width is None:
        return None
    view = pydicom.Dataset()
    view.PhotometricInterpretation, view.PixelRepresentation, view.BitsStored = "MONOCHROME2", 0, 8
    view.WindowCenter, view.WindowWidth = centre, width
    view.VOILUTFunction = header.get("VOILUTFunction") or "LINEAR"
    return view


def _windowed(
    pixels: Num[np.ndarray, "h w"], slope: float, intercept: float, view: pydicom.Dataset
) -> UInt8[np.ndarray, "h w"]:
    grey = np.empty(pixels.shape, np.uint8)
    for start in range(0, len(pixels), ROWS):  # in parts, as a large image should not lie in memory as floats
        rescaled = pixels[start : start + ROWS] * slope + intercept
        with np.errstate(over="ignore"):  # a sigmoid's exponential, far below the window
            grey[start : start + ROWS] = np.rint(apply_windowing(rescaled, view))
    if grey.min() == grey.max():
        window = f"centre {view.WindowCenter:g}, width {view.WindowWidth:g}"
        raise BadImage(f"is of one grey in its own window ({window}): nothing to see")
    return grey


def _not_padding(pixels: Num[np.ndarray, "h w"], header: pydicom.Dataset) -> Bool[np.ndarray, "h w"] | None:
    """Which stored values show something: all but the padding value or, where a limit is given, its range."""
    padding = header.get("PixelPaddingValue")
    if padding is None:
        return None
    limit = header.get("PixelPaddingRangeLimit")
    low, high = sorted((padding, padding if limit is None else limit))
    return (pixels < low) | (pixels > high)


def _number(header: pydicom.Dataset, name: str) -> float | None:
    """The first value of an element; None where it is absent or, as some devices leave it, empty."""
    value = header.get(name)
    if isinstance(value, MultiValue):
        value = value[0] if value else None
    return None if value in (None, "") else float(value)
