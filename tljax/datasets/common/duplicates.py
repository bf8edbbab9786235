"""Images that are there twice: the same pixels, or the same picture flipped, resized or compressed anew.

Near-duplicates are found by a perceptual hash (imagehash's pHash of 256 bits) of every thumbnail and of its flips, and
kept where the thumbnails also agree pixel by pixel, which those of ultrasound of one organ in two patients do not.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Int, Shaped, UInt8, UInt64
from PIL import Image

from tljax.datasets.common.store import THREADS

MAX_DISTANCE = 40  # bits of 256 in which the hashes of a picture and its copy may differ
MIN_CORRELATION = 0.95  # of the thumbnails' pixels
IDENTICAL = "identical"
BLOCK = 256  # images compared with all others at a time

FLIPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda pixels: pixels,
    "mirrored": lambda pixels: pixels[:, ::-1],
    "upside down": lambda pixels: pixels[::-1],
    "turned by 180 degrees": lambda pixels: pixels[::-1, ::-1],
}


@dataclass(frozen=True)
class Pair:
    """Two rows of a data set, `first < second`, and how the second shows the first: a flip, or `IDENTICAL`."""

    first: int
    second: int
    how: str


def find_duplicates(thumbnails: UInt8[np.ndarray, "n side side"], digests: UInt8[np.ndarray, "n bytes"]) -> list[Pair]:
    """All pairs of rows that show one picture, in order; time grows with n squared, 10 s at 10,000."""
    found = dict.fromkeys(exact_duplicates(digests), IDENTICAL)
    for first, second, how in near_duplicates(thumbnails):
        found.setdefault((first, second), how)
    return [Pair(first, second, how) for (first, second), how in sorted(found.items())]


def exact_duplicates(digests: UInt8[np.ndarray, "n bytes"]) -> Iterator[tuple[int, int]]:
    """All pairs of rows whose originals have the same pixels; of one colour, too, in which there is nothing to hash."""
    rows_of = defaultdict(list)
    for row, digest in enumerate(digests):
        rows_of[digest.tobytes()].append(row)
    for rows in rows_of.values():
        yield from combinations(rows, 2)


def near_duplicates(thumbnails: UInt8[np.ndarray, "n side side"]) -> Iterator[tuple[int, int, str]]:
    """All pairs of rows whose pictures agree, and the flip under which they do."""
    with ThreadPoolExecutor(THREADS) as pool:
        hashes = np.stack(list(pool.map(_hashes, thumbnails)))
    for first, second, how in _candidates(hashes):
        if _correlation(thumbnails[first], FLIPS[how](thumbnails[second])) >= MIN_CORRELATION:
            yield first, second, how


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
