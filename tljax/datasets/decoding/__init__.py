"""Decodes image files of all kinds to RGB pixels of 8 bits. All rules of decoding are in this package."""

from tljax.datasets.decoding.decode import (
    DICOM_SUFFIXES,
    IMAGE_SUFFIXES,
    decode_bytes,
    decode_file,
    is_image,
    memory_needed,
    to_image,
    to_square,
)
from tljax.datasets.decoding.errors import BadImage, NoDecoder

__all__ = [
    "DICOM_SUFFIXES",
    "IMAGE_SUFFIXES",
    "BadImage",
    "NoDecoder",
    "decode_bytes",
    "decode_file",
    "is_image",
    "memory_needed",
    "to_image",
    "to_square",
]
