"""From an image file of any kind to RGB bytes, by rules that are stated here and nowhere else.

* 8-bit images are converted as Pillow converts them: grey is repeated, palettes are looked up, CMYK becomes RGB, an
  alpha channel is dropped; they are turned upright as their EXIF orientation says.
* Grey images of more than 8 bits, and DICOM files without a window of their own, are stretched from their least to
  their greatest value (padding aside), each for itself; Pillow alone would clip them. Colours of 16 bits are refused.
* DICOM: rescale slope and intercept (modality), then the file's first window (VOI; linear or a sigmoid, as the file
  says), then MONOCHROME1 is inverted.
* Resizing takes the nearest pixel, as the Keras default does.
"""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Num, UInt8
from PIL import Image, ImageOps

from tljax.datasets.decoding.scaling import BadImage, stretch

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".bmp", ".webp"})
DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM")  # none that starts a program, as EPS does
BITS_PER_SAMPLE = 258  # the TIFF tag
PNG_DEPTH = 24  # the byte of a PNG file that says how many bits a channel has
MAX_PIXELS = 200_000_000  # a 14,000 x 14,000 image; more is a bomb or a whole slide, and would not fit in memory


def is_image(path: Path) -> bool:
    """By its suffix; a DICOM file may have any or none, and is then known by the mark behind its preamble."""
    if path.suffix.lower() in IMAGE_SUFFIXES | DICOM_SUFFIXES:
        return True
    if path.name == "DICOMDIR" or not path.is_file():  # the index of a DICOM medium bears the mark, too
        return False
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def memory_needed(image: Path | bytes) -> int:
    """About how many bytes it takes to decode a file: itself and its pixels, as stored, widened and as 8 bits."""
    size = image.stat().st_size if isinstance(image, Path) else len(image)
    try:
        with Image.open(image if isinstance(image, Path) else io.BytesIO(image), formats=FORMATS) as header:
            return size + 5 * header.width * header.height
    except Exception:  # DICOM, whose pixels make up most of the file; or no image, as decoding will say
        return 4 * size


def decode_file(path: Path) -> Image.Image:
    """An image file as an RGB or grey Pillow image of 8 bits. Raises `BadImage`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadImage(f"cannot be read: {error.strerror}") from error
    return decode_bytes(content)


def decode_bytes(content: bytes) -> Image.Image:
    """As `decode_file`, from the file's bytes."""
    if not content:
        raise BadImage("is empty (0 bytes)")
    if _is_dicom(content):
        from tljax.datasets.decoding.dicom import decode_dicom

        return Image.fromarray(decode_dicom(content))
    try:
        return _to_8_bits(_open(content))
    except Image.UnidentifiedImageError:
        raise BadImage("is not an image that Pillow or pydicom can read") from None
    except Image.DecompressionBombError as error:
        raise BadImage(f"is too large: {error}") from error
    except BadImage:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds; each means that this file is unreadable
        raise BadImage(f"is corrupt or truncated ({error})") from error


def _is_dicom(content: bytes) -> bool:
    """By the mark behind the preamble, or, where a file has none, by a first element of group 0002 or 0008."""
    return content[128:132] == b"DICM" or (content[:2] in (b"\x02\0", b"\x08\0") and content[3:4] == b"\0")


def _open(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content), formats=FORMATS)
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # MPO: a photograph, then its previews
        raise BadImage(f"holds {image.n_frames} frames; keep the one that is meant")
    if image.width * image.height > MAX_PIXELS:
        raise BadImage(f"is {image.width} x {image.height}, more than {MAX_PIXELS:,} pixels")
    if image.mode.startswith("RGB") and _bits(image, content) > 8:
        raise BadImage("has colours of 16 bits, of which only the upper 8 could be read; save it with 8 bits a channel")
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _bits(image: Image.Image, content: bytes) -> int:
    """Of a channel, where the format knows more than 8."""
    if image.format == "TIFF":
        return max(image.tag_v2.get(BITS_PER_SAMPLE, (8,)))
    return content[PNG_DEPTH] if image.format == "PNG" else 8


def _to_8_bits(image: Image.Image) -> Image.Image:
    if image.mode in ("1", "L", "RGB"):
        return image
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(stretch(np.asarray(image)))
    return image.convert("RGBA").convert("RGB") if image.mode == "P" else image.convert("RGB")


def to_image(pixels: Num[np.ndarray, "..."]) -> Image.Image:
    """An array of `h w` or `h w 3` as a Pillow image; other types than uint8 are stretched."""
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[-1] != 3):
        raise BadImage(f"has the shape {pixels.shape}; (h, w) or (h, w, 3) is expected")
    return Image.fromarray(np.ascontiguousarray(pixels if pixels.dtype == np.uint8 else stretch(pixels)))


def to_square(image: Image.Image, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """RGB, resized to `size` x `size` by nearest neighbour."""
    return np.asarray(image.resize((size, size), Image.Resampling.NEAREST).convert("RGB"))
