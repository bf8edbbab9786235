"""Converts a weights file of another framework, or exports a weights folder or a run as a file."""

import argparse
import ctypes
import gc
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import numpy as np

from tljax import models
from tljax.core.arguments import Parser
from tljax.core.errors import UserError
from tljax.models.normalisation import NORMALISATIONS
from tljax.weights import audit_command, verify
from tljax.weights.convert import Conversion, convert
from tljax.weights.export import TARGETS, export
from tljax.weights.folder import save, writing
from tljax.weights.names import some
from tljax.weights.networks import Network

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h
CONVERTING = ("variant", "normalisation", "verify", "images", "all_tensors")  # options that do not apply with --to
TENSOR_BYTES = 1 << 17  # blocks of memory above this size hold tensors


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command. arguments: those after `tljax weights convert`; None: those of the program."""
    _spare_memory()
    parser = Parser(prog=None if arguments is None else "tljax weights convert", description=__doc__)
    parser.add_argument(
        "source", type=Path, metavar="SOURCE", help="a weights file; with --to, a run or a weights folder"
    )
    parser.add_argument("--out", type=Path, required=True, help="the weights folder to write; with --to, the file")
    parser.add_argument(
        "--variant", metavar="NAME", help="variant of the network, such as keras_v1; overrides what the file implies"
    )
    parser.add_argument(
        "--normalisation", choices=NORMALISATIONS, help="input normalisation; overrides what the file implies"
    )
    parser.add_argument("--verify", action="store_true", help="compare with the original framework, layer by layer")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="images of any domain, to audit the input normalisation"
    )
    parser.add_argument("--all-tensors", action="store_true", help="print one line per tensor instead of one per stage")
    parser.add_argument("--to", choices=TARGETS, help="write a PyTorch file of this kind instead")
    options = parser.parse_args(arguments)
    for remark in _export(options) if options.to else _convert(options):
        print(f"note: {remark}")
    print(f"wrote {options.out}")


def _spare_memory() -> None:
    """Keeps one heap for all threads and returns freed tensors at once, if the C library is glibc.

    Without this, the memory of `--verify` of a Keras ResNet50 peaks at 1.13 GB instead of 0.93.
    """
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, TENSOR_BYTES)


def _release_memory() -> None:
    """Returns the memory of a network and its compilation to the system, before the next network is built."""
    gc.collect()  # Keras' networks hold reference cycles
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _export(options: argparse.Namespace) -> Iterable[str]:
    given = [f"--{option.replace('_', '-')}" for option in CONVERTING if getattr(options, option)]
    if given:
        raise UserError(f"{', '.join(given)} cannot be combined with --to, which writes the weights unchanged")
    return export(options.source, options.out, options.to)


def _convert(options: argparse.Namespace) -> tuple[str, ...]:
    if options.out.exists():
        raise UserError(f"{options.out} exists already; remove it or name another folder")
    conversion = convert(options.source, variant=options.variant, normalisation=options.normalisation)
    card = conversion.card
    print(f"{options.source}: {card.format}, {card.backbone} {card.variant}\n")
    for line in _table(conversion, folded=not options.all_tensors):
        print(line)
    if conversion.aside:
        print(f"left out: {some(conversion.aside)}")
    print()
    for line in _check(options.source, conversion, against_original=options.verify):
        print(line)
    if options.images:
        print()
        audit_command.run(_network(conversion), options.images, audit_command.IMAGE_SIZE)
        print()
    with writing(options.out):
        save(options.out, conversion.tensors, card)
    return conversion.remarks


def _network(conversion: Conversion) -> Network:
    card = conversion.card
    tensors = verify.with_head(conversion.tensors, card.backbone, card.variant)
    model = models.build_from(card.backbone, card.variant, tensors)
    model.eval()
    return Network(card.name, model, card)


def _table(conversion: Conversion, *, folded: bool) -> Iterable[str]:
    """Yields the file's name, our name and the shape of each tensor.

    folded: one line per stage, with its first and last tensor and their number.
    """
    for _, members in groupby(conversion.origin, key=str if not folded else _stage):
        names = list(members)
        ends = dict.fromkeys((names[0], names[-1]))
        theirs = " .. ".join(" + ".join(conversion.origin[name]) or "not in the file" for name in ends)
        ours = " .. ".join(ends)
        shapes = " .. ".join(_shape(conversion, name) for name in ends)
        count = f" ({len(names)} tensors)" if folded else ""
        yield f"{theirs} -> {ours}: {shapes}{count}"


def _stage(ours: str) -> str:
    """Returns the start of a tensor's name up to its first number, such as 'stages.0', or else 'stem' or 'head'."""
    parts = ours.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbers[0] + 1]) if numbers else "head" if parts[0] == "head" else "stem"


def _shape(conversion: Conversion, ours: str) -> str:
    return str(conversion.tensors[ours].shape) if ours in conversion.tensors else "folded"


def _check(path: Path, conversion: Conversion, *, against_original: bool) -> Iterable[str]:
    """Yields one line per layer with its outputs for the fixed batch.

    Raises UserError if our outputs are not finite, or differ from those of the original network.
    """
    ours = verify.our_outputs(conversion)
    _release_memory()
    broken = next((layer for layer, values in ours.items() if not np.isfinite(values).all()), None)
    if broken:
        raise UserError(
            f"layer '{broken}' gives NaN or infinity although every tensor is finite: some weights are far too large. "
            f"Nothing was written; download {path} again"
        )
    title, original = verify.original_outputs(path, conversion) if against_original else ("", {})
    differences = verify.differences(ours, original)
    _release_memory()
    for layer, values in ours.items():
        difference = f"   largest difference {differences[layer]:.1e}" if layer in differences else ""
        yield f"{layer:<7} {values.shape!s:<20} mean {values.mean():9.4f}  deviation {values.std():9.4f}{difference}"
    if differences:
        yield f"compared with {title}, run with the file's tensors; no code of the file was run"
    worst = next((layer for layer, difference in differences.items() if not difference <= verify.TOLERANCE), None)
    if worst:
        raise UserError(
            f"layer '{worst}' differs from the original network by {differences[worst]:.1e} of its largest value; "
            f"{verify.TOLERANCE:g} is allowed. Nothing was written. Is it another variant (--variant)?"
        )
