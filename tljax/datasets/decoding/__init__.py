"""From an image file of any kind to RGB pixels of 8 bits, by rules that are stated here and nowhere else."""

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
