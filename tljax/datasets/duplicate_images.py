"""Finds duplicate images: the same pixels, or the same picture flipped, resized or compressed again.

Near-duplicates are found by a perceptual hash (imagehash's pHash of 256 bits) of every thumbnail and of its flips, and
kept if the thumbnails also agree pixel by pixel. Ultrasound images of the same organ of two patients do not agree.
"""

import functools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8, UInt16, UInt64
from PIL import Image

from tljax.core.files import write_text
from tljax.core.progress import progress_bar
from tljax.datasets.store import THREADS

MAX_DISTANCE = 40  # bits of 256 in which the hashes of a picture and its copy may differ
MIN_CORRELATION = 0.95  # of the thumbnails' pixels
IDENTICAL = "identical"
DUPLICATES = "duplicates-1.json"  # in the cache; change the number if the rules above find other pairs
BLOCK = 256  # images compared at a time with as many as keep the distances in the processor's cache
WIDTH = 512
HALF = 2  # words of a hash's four: if these alone differ in too many bits, the others are not compared

FLIPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda pixels: pixels,
    "mirrored": lambda pixels: pixels[:, ::-1],
    "upside down": lambda pixels: pixels[::-1],
    "turned by 180 degrees": lambda pixels: pixels[::-1, ::-1],
}


@dataclass(frozen=True)
class DuplicatePair:
    """Two rows of a data set, `first < second`, and how the second shows the same picture: a flip, or `IDENTICAL`."""

    first: int
    second: int
    how: str


def find_duplicates(
    thumbnails: UInt8[np.ndarray, "n side side"], digests: UInt8[np.ndarray, "n bytes"], *, progress: bool = False
) -> list[DuplicatePair]:
    """Returns all pairs of rows that show one picture, in order; time grows with n squared, memory with n."""
    found = dict.fromkeys(exact_duplicates(digests), IDENTICAL)
    for first, second, how in near_duplicates(thumbnails, progress=progress):
        found.setdefault((first, second), how)
    return [DuplicatePair(first, second, how) for (first, second), how in sorted(found.items())]


def kept_pairs(path: Path, find: Callable[[], list[DuplicatePair]]) -> list[DuplicatePair]:
    """Reads the pairs kept in `path`; if there are none, finds them and keeps them there if the folder is writable."""
    with suppress(OSError, ValueError, TypeError):
        return [DuplicatePair(*pair) for pair in json.loads(path.read_text(encoding="utf-8"))]
    pairs = find()
    with suppress(OSError):  # the cache may be read-only
        write_text(path, json.dumps([astuple(pair) for pair in pairs]))
    return pairs


def exact_duplicates(digests: UInt8[np.ndarray, "n bytes"]) -> Iterator[tuple[int, int]]:
    """Yields all pairs of rows whose originals have the same pixels, also those of one colour, which have no hash."""
    rows_of = defaultdict(list)
    for row, digest in enumerate(digests):
        rows_of[digest.tobytes()].append(row)
    for rows in rows_of.values():
        yield from combinations(rows, 2)


def near_duplicates(
    thumbnails: UInt8[np.ndarray, "n side side"], *, progress: bool = False
) -> Iterator[tuple[int, int, str]]:
    """Yields all pairs of rows whose pictures agree, and the flip under which they do."""
    starts = range(0, len(thumbnails), BLOCK)
    with ThreadPoolExecutor(THREADS) as pool, progress_bar("duplicates", len(starts), progress) as advance:
        hashes = np.ascontiguousarray(np.stack(list(pool.map(_hashes, thumbnails)), axis=-1))
        for candidates in pool.map(lambda start: list(_candidates(hashes, start)), starts):
            for first, second, how in candidates:
                if _correlation(thumbnails[first], FLIPS[how](thumbnails[second])) >= MIN_CORRELATION:
                    yield first, second, how
            advance(1)


def _hashes(small: UInt8[np.ndarray, "side side"]) -> UInt64[np.ndarray, "words flips"]:
    import imagehash

    bits = [imagehash.phash(Image.fromarray(flip(small)), hash_size=16).hash for flip in FLIPS.values()]
    return np.packbits(np.stack(bits).reshape(len(bits), -1), axis=1).view(np.uint64).T


def _candidates(hashes: UInt64[np.ndarray, "words flips n"], start: int) -> Iterator[tuple[int, int, str]]:
    """Yields pairs of a row of the block at `start` and a later row, whose hashes are close under a flip."""
    names = list(FLIPS)
    block = hashes[:, 0, start : start + BLOCK]
    for left in range(start, hashes.shape[-1], WIDTH):
        others = hashes[:, :, left : left + WIDTH]
        half = _distances(block[:HALF, None, :, None], others[:HALF, :, None, :])
        first, second = np.nonzero(half.min(axis=0) <= MAX_DISTANCE)
        distances = _distances(block[:, None, first], others[:, :, second])
        near = (distances.min(axis=0) <= MAX_DISTANCE) & (start + first < left + second)
        best = distances.argmin(axis=0)
        for one, other, flip in zip(first[near].tolist(), second[near].tolist(), best[near].tolist(), strict=True):
            yield start + one, left + other, names[flip]


def _distances(
    some: UInt64[np.ndarray, "words ..."], others: UInt64[np.ndarray, "words ..."]
) -> UInt16[np.ndarray, "..."]:
    """Returns the number of bits in which the hashes differ."""
    counts = (np.bitwise_count(one ^ other).astype(np.uint16) for one, other in zip(some, others, strict=True))
    return functools.reduce(np.add, counts)


def _correlation(first: Shaped[np.ndarray, "side side"], second: Shaped[np.ndarray, "side side"]) -> float:
    """Returns Pearson's correlation of the pixels of two images; 0 if one has a single colour."""
    one, two = (picture.astype(np.float64) - picture.mean() for picture in (first, second))
    norm = np.sqrt((one**2).sum() * (two**2).sum())
    return float((one * two).sum() / norm) if norm else 0.0
