"""From an image file of any kind to RGB bytes, by rules that are stated here and nowhere else.

* 8-bit images are converted as Pillow converts them: grey is repeated, palettes are looked up, CMYK becomes RGB, an
  alpha channel is dropped.
* Images of more than 8 bits, and DICOM files without a window of their own, are stretched from their least to their
  greatest value, each image for itself; Pillow alone would clip them.
* DICOM: rescale slope and intercept (modality), then the file's first window (VOI), then MONOCHROME1 is inverted.
* Resizing takes the nearest pixel, as the Keras default does.
"""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Num, UInt8
from PIL import Image

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
MAX_PIXELS = 200_000_000  # a 14,000 x 14,000 image; more is a bomb or a whole slide, and would not fit in memory


class BadImage(Exception):
    """One image cannot be used. The message is the reason; the caller adds the name."""


def is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES | DICOM_SUFFIXES


def stretch(pixels: Num[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Maps the least value to 0 and the greatest to 255. Raises `BadImage` for a constant or non-finite image."""
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite([low, high]).all():
        raise BadImage("has pixels that are not finite numbers")
    if low == high:
        raise BadImage(f"has {pixels.dtype} pixels that all equal {low:g}: nothing to see")
    return window(pixels, low, high)


def window(pixels: Num[np.ndarray, "..."], low: float, high: float) -> UInt8[np.ndarray, "..."]:
    """Maps [low, high] to 0..255 linearly; what lies outside is clipped, as a window means."""
    scaled = (pixels.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


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
    if content[128:132] == b"DICM":
        from tljax.datasets.common.dicom import decode_dicom

        return Image.fromarray(decode_dicom(content))
    try:
        image = Image.open(io.BytesIO(content))
        if getattr(image, "n_frames", 1) > 1:
            raise BadImage(f"holds {image.n_frames} frames; keep the one that is meant")
        if image.width * image.height > MAX_PIXELS:
            raise BadImage(f"is {image.width} x {image.height}, more than {MAX_PIXELS:,} pixels")
        image.load()
    except Image.UnidentifiedImageError:
        raise BadImage("is not an image that Pillow or pydicom can read") from None
    except Image.DecompressionBombError as error:
        raise BadImage(f"is too large: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadImage(f"is corrupt or truncated ({error})") from error
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
