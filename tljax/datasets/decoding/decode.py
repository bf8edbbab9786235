"""Decodes image files of every kind, recognised by their content.

* 8-bit images are converted as Pillow converts them: grey is repeated, palettes are looked up, CMYK becomes RGB, an
  alpha channel is dropped. They are turned upright as their EXIF orientation says.
* Each grey image of more than 8 bits, and each DICOM file without a window, is stretched from its least to its greatest
  value (without padding). Colours of more than 8 bits are refused.
* `tiff` and `dicom` interpret stored values by TIFF tags and DICOM elements. `damage` detects damaged images.
* Resizing takes the nearest pixel, as the Keras default does.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Num, UInt8
from PIL import Image

from tljax.core import extras
from tljax.datasets.decoding.errors import BadImage
from tljax.datasets.decoding.kinds import describe_unread
from tljax.datasets.decoding.pictures import decode_picture, opened
from tljax.datasets.decoding.scaling import stretch
from tljax.datasets.decoding.tiff import decode_tiff, is_tiff

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".bmp", ".webp"})
DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})


def is_image(path: Path) -> bool:
    """Returns whether a file is an image, by its suffix; a DICOM file with another suffix is known by its mark."""
    if path.suffix.lower() in IMAGE_SUFFIXES | DICOM_SUFFIXES:
        return True
    if path.name.upper() == "DICOMDIR" or not path.is_file():  # the index of a DICOM medium has the mark, too
        return False
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def memory_needed(image: Path | bytes) -> int:
    """Estimates the bytes needed to decode a file: itself and its pixels, as stored, widened and as 8 bits."""
    size = image.stat().st_size if isinstance(image, Path) else len(image)
    try:
        with opened(image) as header:
            return size + 5 * header.width * header.height
    except Exception:  # DICOM, whose pixels make up most of the file; or no image, as decoding will say
        return 4 * size


def decode_file(path: Path) -> Image.Image:
    """Returns an image file as an RGB or grey Pillow image of 8 bits. Raises `BadImage`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadImage(f"cannot be read: {error.strerror}") from error
    return decode_bytes(content)


def decode_bytes(content: bytes) -> Image.Image:
    """Does the same as `decode_file`, from the file's bytes."""
    if not content:
        raise BadImage("is empty (0 bytes)")
    if _is_dicom(content):
        extras.require("pydicom", to="read DICOM images")
        from tljax.datasets.decoding.dicom import decode_dicom

        return Image.fromarray(decode_dicom(content))
    try:
        return decode_tiff(content) if is_tiff(content) else decode_picture(content)
    except Image.UnidentifiedImageError:
        raise BadImage(describe_unread(content)) from None
    except BadImage:
        raise
    except Exception as error:  # decoders raise many types; each means that this file is unreadable
        raise BadImage(f"is corrupt or truncated ({' '.join(str(error).split())})") from error


def _is_dicom(content: bytes) -> bool:
    """Recognises DICOM by the mark after the preamble, or by a first element of group 0002 or 0008."""
    little = content[:2] in (b"\x02\0", b"\x08\0") and content[3:4] == b"\0"
    big = content[:3] == b"\0\x08\0" and content[4:6].isalpha()
    return content[128:132] == b"DICM" or little or big


def to_image(pixels: Num[np.ndarray, "..."]) -> Image.Image:
    """Returns an array of `h w` or `h w 3` as a Pillow image; other types than uint8 are stretched."""
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[-1] != 3):
        raise BadImage(f"has the shape {pixels.shape}; (h, w) or (h, w, 3) is expected")
    return Image.fromarray(np.ascontiguousarray(pixels if pixels.dtype == np.uint8 else stretch(pixels)))


def to_square(image: Image.Image, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Returns an image as RGB, resized to `size` x `size` by nearest neighbour."""
    return np.asarray(image.resize((size, size), Image.Resampling.NEAREST).convert("RGB"))
