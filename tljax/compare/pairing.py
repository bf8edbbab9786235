"""Divides images into blocks for intervals, pairs them for the chance level, and makes batches for both.

A mismatched pair is an image of one patient in the first network and an image of another patient in the second. Whole
patients are paired with other patients, image by image. The images of a patient then resemble each other as much as in
the pairs that are compared. The chance level depends on this resemblance.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

Rows = Int[np.ndarray, " _"]  # numbers of images


class Mismatch(NamedTuple):
    """The mismatched image of each image."""

    partner: Int[np.ndarray, " n"]
    other_patient: bool
    """Whether every partner is of another patient; false if one patient has more than half of the images."""


class Batches(NamedTuple):
    """Batches of one shape. Each holds samples of one block, and the partners of these samples."""

    rows: Int[np.ndarray, "steps slots"]
    """Numbers of images; -1 is padding."""
    sample: Bool[np.ndarray, "steps slots"]
    """False for images that are shown only as partners of others, and for padding."""
    partner: Int[np.ndarray, "steps slots"]
    """The slot of each image's partner."""
    block: Int[np.ndarray, " steps"]
    """The number of each batch's block."""


def blocks_of(groups: Sequence[str], count: int, seed: int) -> list[Rows]:
    """Divides images into at most `count` blocks of about equal size. The images of a group (patient) stay together.

    A block has at least two images. The order within a block is random.
    """
    names, group = np.unique(np.array(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    sizes = np.bincount(group)
    order = rng.permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    count = min(count, len(names), len(group) // 2)
    while (filled := _filled(sizes, order, count))[0].min() < 2 and count > 1:
        count -= 1
    _, block_of = filled
    rows = rng.permutation(len(group))
    return [rows[block_of[group[rows]] == block] for block in range(count)]


def _filled(
    sizes: Int[np.ndarray, " groups"], order: Int[np.ndarray, " groups"], count: int
) -> tuple[Int[np.ndarray, " count"], Int[np.ndarray, " groups"]]:
    """Returns the sizes of `count` blocks and the block of each group. Each group joins the smallest block so far."""
    filled, block_of = np.zeros(count, int), np.empty(len(sizes), int)
    for member in order:
        block_of[member] = filled.argmin()
        filled[block_of[member]] += sizes[member]
    return filled, block_of


def mismatch(groups: Sequence[str], blocks: Sequence[Rows], seed: int) -> Mismatch:
    """Pairs every image of `blocks` with an image of another group (patient). Every image is a partner once.

    The images of a block are ordered by patient, and the order is shifted by the number of images of the largest
    patient. Patients of equal size are then paired image by image. Blocks in which one patient has more than half of
    the images are joined for this purpose, with further blocks if necessary.
    """
    group = np.unique(np.array(groups), return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(group.max() + 1)
    suited = [rows for rows in blocks if _enough_others(group[rows])]
    joined = np.concatenate([rows for rows in blocks if not _enough_others(group[rows])] or [np.empty(0, int)])
    while len(joined) and not _enough_others(group[joined]) and suited:
        joined = np.concatenate([joined, suited.pop()])
    partner = np.arange(len(group))
    for rows in (*suited, joined):
        own = group[rows]
        sizes = np.bincount(own, minlength=len(order))
        ordered = rows[np.lexsort((order[own], -sizes[own]))]
        step = min(sizes.max(), len(rows) // 2) if len(rows) else 0
        partner[ordered] = np.roll(ordered, -step)
    return Mismatch(partner, _enough_others(group[joined]))


def _enough_others(group: Int[np.ndarray, " _"]) -> bool:
    """Returns whether no group has more than half of the images."""
    return not len(group) or 2 * int(np.bincount(group).max()) <= len(group)


def batches_of(blocks: Sequence[Rows], partner: Int[np.ndarray, " n"], batch_size: int, devices: int = 1) -> Batches:
    """Divides each block into batches of about equal size, in which every image has its partner.

    Images are ordered so that most partners are samples of the same batch; the other partners are added to it. A batch
    has at most `batch_size` images, but at least two.
    """
    parts, block_of = [], []
    for number, rows in enumerate(blocks):
        chain = _along(rows, partner)
        count = max(-(-len(chain) // batch_size), 1)
        while max(map(len, found := _with_partners(np.array_split(chain, count), partner))) > max(batch_size, 2):
            count += 1
        parts += zip(np.array_split(chain, count), found, strict=True)
        block_of += [number] * count
    slots = max(len(rows) for _, rows in parts)
    slots += -slots % devices
    shape = (len(parts), slots)
    batches = Batches(np.full(shape, -1), np.zeros(shape, bool), np.zeros(shape, int), np.array(block_of))
    slot_of = np.empty(len(partner), int)
    for step, (samples, rows) in enumerate(parts):
        slot_of[rows] = np.arange(len(rows))
        batches.rows[step, : len(rows)] = rows
        batches.sample[step, : len(samples)] = True
        batches.partner[step, : len(samples)] = slot_of[partner[samples]]
    return batches


def _with_partners(parts: Sequence[Rows], partner: Int[np.ndarray, " n"]) -> list[Rows]:
    return [np.concatenate([part, np.setdiff1d(partner[part], part)]) for part in parts]


def _along(rows: Rows, partner: Int[np.ndarray, " n"]) -> Rows:
    """Returns the rows in an order in which each is followed by its partner, if the partner is one of them."""
    left = dict.fromkeys(rows.tolist())
    heads = np.setdiff1d(rows, partner[rows]).tolist()
    ordered = []
    for row in (*heads, *rows.tolist()):
        while row in left:
            del left[row]
            ordered.append(row)
            row = int(partner[row])
    return np.array(ordered)


def positions(images: Int[Array | np.ndarray, " b"], each: int) -> Int[Array, " n"]:
    """Returns the sample numbers of all positions of these images, if every image has `each` positions."""
    return (jnp.asarray(images)[:, None] * each + jnp.arange(each)[None, :]).reshape(-1)
