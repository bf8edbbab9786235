"""Reads PNG, JPEG, BMP, WebP and similar files with Pillow, after checks for damage and for more than 8 bits."""

import io
import threading
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tljax.datasets.decoding import damage
from tljax.datasets.decoding.codestreams import read_jpeg_2000_header
from tljax.datasets.decoding.errors import BadImage
from tljax.datasets.decoding.scaling import stretch

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000")  # no format that starts a program, as EPS does
PNG_DEPTH = 24  # the byte of a PNG file that states the bits per channel
PNG_GREY_AND_ALPHA = 4  # possible values of the next byte
MAX_PIXELS = 200_000_000  # 14,000 x 14,000; a larger image is a bomb or a whole slide, and may not fit in memory
_opening = threading.Lock()


def opened(source: Path | bytes) -> Image.Image:
    """Opens an image, with our own limit of pixels instead of Pillow's, which warns from 89 million on."""
    with _opening:
        usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = usual


def decode_picture(content: bytes) -> Image.Image:
    """Returns an image of 8 bits, upright. Raises `BadImage`, or an error of Pillow if it is damaged."""
    image = opened(content)
    frames = getattr(image, "n_frames", 1)
    if image.format != "MPO" and frames > 1:  # MPO: a photograph, then its previews
        refuse_frames(frames)
    refuse_too_large(image.width, image.height)
    _check(image, content)
    bits = _bits(image, content)
    if bits > 8 and image.mode not in ("L", "I", "I;16", "I;16B", "F"):
        refuse_deep_colours(bits, "grey with transparency" if _is_grey(image, content) else "colours")
    image.load()
    if image.mode == "P":
        _check_palette(image)
    ImageOps.exif_transpose(image, in_place=True)
    return to_8_bits(image)


def _check_palette(image: Image.Image) -> None:
    """Raises `BadImage` if a pixel's number is not in the palette."""
    colours = len(image.palette.palette) // len(image.palette.mode) if image.palette else 0
    if (greatest := np.asarray(image).max()) >= colours:
        raise BadImage(f"is corrupt: it has pixels of colour {greatest} in a palette of {colours} colours")


def refuse_frames(count: int) -> None:
    raise BadImage(f"holds {count} frames; save the right one as a separate file")


def refuse_too_large(width: int, height: int) -> None:
    """Raises `BadImage` beyond our limit of pixels."""
    if width * height > MAX_PIXELS:
        raise BadImage(f"is {width} x {height}, more than {MAX_PIXELS / 1e6:.0f} million pixels")


def refuse_deep_colours(bits: int, what: str = "colours") -> None:
    raise BadImage(f"has {what} of {bits} bits, of which only 8 would be read; save it with 8 bits per channel")


def _check(image: Image.Image, content: bytes) -> None:
    """Raises `BadImage` for damage that Pillow ignores."""
    if image.format == "PNG":
        damage.check_png(content)
    elif image.format in ("JPEG", "MPO"):
        damage.check_jpeg(content, len(image.getbands()))
    elif image.format == "JPEG2000":
        damage.check_jpeg_2000(content)
    elif image.format == "WEBP":
        damage.check_webp(content, image.width, image.height)


def _bits(image: Image.Image, content: bytes) -> int:
    """Returns the bits per channel, for formats that can have more than 8."""
    if image.format == "PNG":
        return content[PNG_DEPTH]
    if image.format == "JPEG2000":
        return read_jpeg_2000_header(content).bits
    return 8


def _is_grey(image: Image.Image, content: bytes) -> bool:
    """Returns whether a picture of more than 8 bits is grey with transparency, which Pillow may open as colours."""
    return image.mode == "LA" or (image.format == "PNG" and content[PNG_DEPTH + 1] == PNG_GREY_AND_ALPHA)


def to_8_bits(image: Image.Image) -> Image.Image:
    """Returns a picture as grey or RGB of 8 bits; grey of more bits is stretched."""
    if image.mode in ("1", "L", "RGB"):
        return image
    if image.mode == "La":
        return image.convert("LA").convert("L")
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(stretch(np.asarray(image)))
    return image.convert("RGBA").convert("RGB") if image.mode == "P" else image.convert("RGB")
