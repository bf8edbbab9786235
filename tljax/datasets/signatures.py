"""Computes signatures to find duplicates, from the original images, so that the image size has no influence."""

import hashlib

import numpy as np
from jaxtyping import UInt8
from PIL import Image

SIDE = 64  # of a thumbnail: the size to which the perceptual hash reduces an image
DIGEST_BYTES = 16
ROWS = 256  # of an image that are hashed at a time
SIGNATURE = np.dtype([("digest", np.uint8, DIGEST_BYTES), ("thumbnail", np.uint8, (SIDE, SIDE))])

Signature = tuple[UInt8[np.ndarray, " bytes"], UInt8[np.ndarray, "side side"]]
"""A hash of the pixels, and a small grey image, reduced by averaging: a `SIGNATURE`."""


def signature_of(image: Image.Image) -> Signature:
    """Returns the digest and the thumbnail of an image of 8 bits."""
    return _digest(image), _thumbnail(image)


def _digest(image: Image.Image) -> UInt8[np.ndarray, " bytes"]:
    digest = hashlib.blake2b(repr((image.mode, image.size)).encode(), digest_size=DIGEST_BYTES)
    for top in range(0, image.height, ROWS):  # in strips, so that a large image is not in memory twice
        digest.update(image.crop((0, top, image.width, min(top + ROWS, image.height))).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def _thumbnail(image: Image.Image) -> UInt8[np.ndarray, "side side"]:
    averaged = image.convert("L") if image.mode == "1" else image  # two values cannot be averaged
    return np.asarray(averaged.resize((SIDE, SIDE), Image.Resampling.BILINEAR).convert("L"))
