"""Images that are there twice: the same bytes, or the same picture flipped, resized or compressed anew.

Near-duplicates are found by a perceptual hash (imagehash's pHash of 256 bits) of every image and of its flips, and kept
where the pictures also agree pixel by pixel once they are brought to one small size, which ultrasound of one organ in
two patients does not.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped, UInt8, UInt64
from PIL import Image

from tljax.datasets.common.store import THREADS

MAX_DISTANCE = 40  # bits of 256 in which the hashes of a picture and its copy may differ
MIN_CORRELATION = 0.95  # of the small pictures' pixels
SIDE = 64  # of the small pictures; what pHash shrinks to by itself
BLOCK = 256  # images compared with all others at a time

FLIPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda pixels: pixels,
    "mirrored": lambda pixels: pixels[:, ::-1],
    "upside down": lambda pixels: pixels[::-1],
    "turned by 180 degrees": lambda pixels: pixels[::-1, ::-1],
}


@dataclass(frozen=True)
class Pair:
    """Two rows of a data set, `first < second`, and how the second shows the first."""

    first: int
    second: int
    how: str


def exact_duplicates(images: UInt8[np.ndarray, "n h w 3"]) -> list[Pair]:
    """Pairs of rows whose pixels are the same, each row paired with the first of its kind."""
    rows_of = defaultdict(list)
    for row, image in enumerate(images):
        rows_of[hashlib.sha256(image.tobytes()).digest()].append(row)
    return [Pair(rows[0], row, "identical") for rows in rows_of.values() for row in rows[1:]]


def near_duplicates(images: UInt8[np.ndarray, "n h w 3"]) -> list[Pair]:
    """All pairs of rows that show one picture, identical ones included; time grows with n squared, 10 s at 10,000."""
    with ThreadPoolExecutor(THREADS) as pool:
        small = np.stack(list(pool.map(_shrink, images)))
        hashes = np.stack(list(pool.map(_hashes, small)))
    return [
        Pair(first, second, how)
        for first, second, how in _candidates(hashes)
        if _correlation(small[first], FLIPS[how](small[second])) >= MIN_CORRELATION
    ]


def _shrink(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "side side"]:
    return np.asarray(Image.fromarray(image).convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _hashes(small: UInt8[np.ndarray, "side side"]) -> UInt64[np.ndarray, "flips words"]:
    import imagehash

    bits = [imagehash.phash(Image.fromarray(flip(small)), hash_size=16).hash for flip in FLIPS.values()]
    return np.packbits(np.stack(bits).reshape(len(bits), -1), axis=1).view(np.uint64)


def _candidates(hashes: UInt64[np.ndarray, "n flips words"]) -> Iterator[tuple[int, int, str]]:
    """Pairs whose hashes are close, with the flip under which they are closest."""
    names = list(FLIPS)
    for start in range(0, len(hashes), BLOCK):
        block, rest = hashes[start : start + BLOCK, 0], hashes[start:]
        distances = np.stack([_distances(block, rest[:, flip]) for flip in range(len(names))])
        best = distances.argmin(axis=0)
        for first, second in np.argwhere(distances.min(axis=0) <= MAX_DISTANCE).tolist():
            if first < second:
                yield start + first, start + second, names[best[first, second]]


def _distances(some: UInt64[np.ndarray, "a words"], others: UInt64[np.ndarray, "b words"]) -> Int[np.ndarray, "a b"]:
    """In how many bits each of `some` differs from each of `others`."""
    return sum(
        np.bitwise_count(some[:, None, word] ^ others[None, :, word]).astype(np.int32) for word in range(some.shape[1])
    )


def _correlation(first: Shaped[np.ndarray, "side side"], second: Shaped[np.ndarray, "side side"]) -> float:
    """Pearson's, of the two pictures' pixels; 0 where one is of a single colour."""
    one, two = (picture.astype(np.float64) - picture.mean() for picture in (first, second))
    norm = np.sqrt((one**2).sum() * (two**2).sum())
    return float((one * two).sum() / norm) if norm else 0.0
