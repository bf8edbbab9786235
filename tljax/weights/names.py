"""Describes where a weights file keeps each of our tensors, both for reading and for writing."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Layout = Literal["torch", "keras"]
Shape = tuple[int, ...]

NAMED_AT_MOST = 5  # tensors named in a message

_KERNEL = {
    "torch": {"kernel": ".weight", "bias": ".bias"},
    "keras": {"kernel": "/kernel", "bias": "/bias"},
}
_NORM = {
    "torch": {"scale": ".weight", "bias": ".bias", "mean": ".running_mean", "var": ".running_var"},
    "keras": {"scale": "/gamma", "bias": "/beta", "mean": "/moving_mean", "var": "/moving_variance"},
}

# The axes, by rank, that permute a kernel of the layout to ours: (h w in out) and (in out)
_TO_OURS = {"torch": {4: (2, 3, 1, 0), 2: (1, 0)}, "keras": {}}


@dataclass(frozen=True)
class Part:
    """One tensor of the file, possibly with permuted axes, or a constant that is not in the file.

    Our tensor is `theirs.transpose(axes).reshape(our shape)`.
    """

    name: str | None  # in the file; None: it is not in the file, and every element of ours is `value`
    axes: tuple[int, ...] | None = None  # None: the axes of the layout for this rank
    shape: Shape | None = None  # the shape in the file, if it is not our shape with permuted axes
    size: int | None = None  # size along the axis of a `Joined`; None: an equal share of the rest
    value: float = 0.0


@dataclass(frozen=True)
class Joined:
    """Several tensors that form one of ours, joined along an axis of ours: for example query, key and value."""

    parts: tuple["Where", ...]
    axis: int = -1


Where = str | Part | Joined
Names = Mapping[str, Where]  # our flat name -> where the file keeps it


def kernel(layout: Layout, ours: str, theirs: str, *, bias: bool = True) -> dict[str, Where]:
    """Returns the names of a convolution or a dense layer: kernel, and bias if it has one."""
    leaves = _KERNEL[layout]
    return {f"{ours}.{leaf}": theirs + leaves[leaf] for leaf in (("kernel", "bias") if bias else ("kernel",))}


def norm(layout: Layout, ours: str, theirs: str, *, statistics: bool) -> dict[str, Where]:
    """Returns the names of a normalisation: scale and bias, and with `statistics` running mean and variance."""
    leaves = _NORM[layout]
    wanted = ("scale", "bias", "mean", "var") if statistics else ("scale", "bias")
    return {f"{ours}.{leaf}": theirs + leaves[leaf] for leaf in wanted}


def conv_norm(layout: Layout, conv: str, their_conv: str, batch_norm: str, their_norm: str) -> dict[str, Where]:
    """Returns the names of a convolution without bias and of the BatchNorm that follows it."""
    return kernel(layout, conv, their_conv, bias=False) | norm(layout, batch_norm, their_norm, statistics=True)


def parts_of(where: Where) -> tuple[Part, ...]:
    """Returns the parts of one of our tensors, in their order."""
    if isinstance(where, Joined):
        return tuple(piece for part in where.parts for piece in parts_of(part))
    return (Part(where) if isinstance(where, str) else where,)


def in_file(where: Where) -> tuple[str, ...]:
    """Returns the names of the file's tensors from which one of ours is made."""
    return tuple(part.name for part in parts_of(where) if part.name is not None)


def all_in_file(names: Names) -> set[str]:
    """Returns the names of the file's tensors from which ours are made."""
    return {theirs for where in names.values() for theirs in in_file(where)}


def renamed(names: Names, rename: Callable[[str], str]) -> dict[str, Where]:
    """Returns the same description, with `rename` applied to every name in the file."""

    def changed(where: Where) -> Where:
        if isinstance(where, str):
            return rename(where)
        if isinstance(where, Joined):
            return Joined(tuple(changed(part) for part in where.parts), where.axis)
        return where if where.name is None else replace(where, name=rename(where.name))

    return {ours: changed(where) for ours, where in names.items()}


def their_shapes(where: Where, layout: Layout, shape: Shape) -> dict[str, Shape]:
    """Returns the shapes that the file's tensors must have for ours to have `shape`."""
    return {
        part.name: part.shape or _to_theirs(part, layout, piece)
        for part, piece in zip(parts_of(where), _pieces(where, shape), strict=True)
        if part.name is not None
    }


def to_ours(where: Where, layout: Layout, shape: Shape, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns our tensor of `shape` from the file's, as float32 in its own memory."""
    pieces = [
        _read(part, layout, piece, tensors) for part, piece in zip(parts_of(where), _pieces(where, shape), strict=True)
    ]
    found = np.concatenate(pieces, where.axis) if isinstance(where, Joined) else pieces[0]
    return np.array(found, np.float32, order="C")


def to_theirs(where: Where, layout: Layout, tensor: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the file's tensors by name, from one of ours."""
    pieces, start = {}, 0
    for part, piece in zip(parts_of(where), _pieces(where, tensor.shape), strict=True):
        own = tensor
        if isinstance(where, Joined):
            own = np.take(tensor, range(start, start + piece[where.axis]), where.axis)
            start += piece[where.axis]
        if part.name is not None:
            axes = _axes(part, layout, len(piece))
            before = tuple(np.array(part.shape)[list(axes)]) if part.shape else piece
            pieces[part.name] = np.ascontiguousarray(own.reshape(before).transpose(np.argsort(axes)))
    return pieces


def _pieces(where: Where, shape: Shape) -> list[Shape]:
    """Returns the shapes of the parts of one of our tensors."""
    if not isinstance(where, Joined):
        return [shape]
    parts = parts_of(where)
    given = [part.size for part in parts if part.size is not None]
    share = (shape[where.axis] - sum(given)) // max(len(parts) - len(given), 1)
    axis = where.axis % len(shape)
    return [(*shape[:axis], share if part.size is None else part.size, *shape[axis + 1 :]) for part in parts]


def _axes(part: Part, layout: Layout, rank: int) -> tuple[int, ...]:
    rank = len(part.shape) if part.shape else rank
    return part.axes or _TO_OURS[layout].get(rank, tuple(range(rank)))


def _to_theirs(part: Part, layout: Layout, shape: Shape) -> Shape:
    axes = _axes(part, layout, len(shape))
    return tuple(shape[axes.index(axis)] for axis in range(len(axes)))


def _read(part: Part, layout: Layout, shape: Shape, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    if part.name is None:
        return np.full(shape, part.value, np.float32)
    theirs = tensors[part.name]
    return theirs.transpose(_axes(part, layout, theirs.ndim)).reshape(shape)


def our_shape(layout: Layout, shape: Shape) -> Shape:
    """Returns the shape of a kernel of the layout in our order of axes: (h w in out) or (in out)."""
    return tuple(shape[axis] for axis in _TO_OURS[layout].get(len(shape), range(len(shape))))


def dense_leaves(layout: Layout) -> dict[str, str]:
    """Returns the last parts of the names of a dense layer's kernel and bias."""
    return _KERNEL[layout]


def some(names: Collection[str]) -> str:
    """Returns the first few names, for a message."""
    more = len(names) - NAMED_AT_MOST
    return ", ".join(f"'{name}'" for name in list(names)[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
