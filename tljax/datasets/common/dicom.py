"""DICOM to 8-bit grey or RGB: modality rescale, the file's own window, photometric inversion."""

import io

import numpy as np
import pydicom
from jaxtyping import Num, UInt8
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

from tljax.datasets.common.decode import BadImage, stretch, window


def decode_dicom(content: bytes) -> UInt8[np.ndarray, "..."]:
    """The pixels (`h w`, or `h w 3`) of a single-frame DICOM file. Raises `BadImage`."""
    try:
        header = pydicom.dcmread(io.BytesIO(content))
    except (InvalidDicomError, EOFError, ValueError, KeyError) as error:
        raise BadImage(f"is a corrupt DICOM file ({error})") from error
    if "PixelData" not in header:
        raise BadImage("is a DICOM file without pixels")
    frames = int(header.get("NumberOfFrames") or 1)
    if frames > 1:
        raise BadImage(f"is a DICOM file of {frames} frames; keep the one that is meant, as a file of its own")
    try:
        pixels = header.pixel_array
    except Exception as error:  # pydicom and its decoders raise many kinds; each means that this file is unreadable
        raise BadImage(f"has DICOM pixels that cannot be decoded ({error})") from error
    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)
    if pixels.ndim == 3:
        return pixels if pixels.dtype == np.uint8 else stretch(pixels)
    grey = _grey(pixels, header)
    return 255 - grey if header.get("PhotometricInterpretation") == "MONOCHROME1" else grey


def _grey(pixels: Num[np.ndarray, "h w"], header: pydicom.Dataset) -> UInt8[np.ndarray, "h w"]:
    if "ModalityLUTSequence" in header or "VOILUTSequence" in header:
        return stretch(apply_voi_lut(apply_modality_lut(pixels, header), header))
    if "WindowCenter" not in header:
        return stretch(pixels)
    centre, width = (float(np.atleast_1d(header[tag].value)[0]) for tag in ("WindowCenter", "WindowWidth"))
    slope, intercept = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
    # PS3.3 C.11.2.1.2.1; the window is brought to stored values, so that a large image needs no second copy
    low, high = (centre - 0.5 + half * (max(width, 2) - 1) / 2 for half in (-1, 1))
    return window(pixels, (low - intercept) / slope, (high - intercept) / slope)
