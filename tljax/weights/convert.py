"""A foreign checkpoint becomes our tensors and a card: exactly, or refused with the reason."""

import csv
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from tljax import models
from tljax.errors import UserError
from tljax.models.resnet import ARCHITECTURES, VARIANTS
from tljax.weights.card import NORMALISATIONS, WeightsCard
from tljax.weights.files import Source, read
from tljax.weights.formats import Format, formats
from tljax.weights.names import kind_of, norm_after, to_ours, to_theirs

BASIC_BLOCKS = {(2, 2, 2, 2): "ResNet18", (3, 4, 6, 3): "ResNet34"}  # blocks a stage, two convolutions a block
BOTTLENECKS = {(3, 4, 23, 3): "ResNet101", (3, 8, 36, 3): "ResNet152"}
NAMED_AT_MOST = 5  # tensors named in a refusal


@dataclass(frozen=True)
class Conversion:
    tensors: dict[str, np.ndarray]  # by our flat names
    card: WeightsCard
    origin: dict[str, str]  # our name -> the file's
    aside: tuple[str, ...]  # the file's tensors that are no part of the network
    remarks: tuple[str, ...]  # what was assumed or changed


def convert(path: Path, *, variant: str | None = None, normalisation: str | None = None) -> Conversion:
    """Reads the weights file at `path`, of whichever format its content proves it to be.

    variant, normalisation: override what the format implies (keys of the backbone's VARIANTS and of NORMALISATIONS).
    Raises UserError, naming the tensor or the fact, for whatever is not exactly one network that we have.
    """
    source = read(path)
    name, form, prefix = _recognise(source)
    backbone = _backbone(source, form, prefix)
    origin = _origin(source, form, prefix, ARCHITECTURES[backbone].blocks)
    aside = _aside(source, form, origin)
    tensors = {ours: to_ours(form.names.layout, source.tensors[theirs]) for ours, theirs in origin.items()}
    remarks = [form.rule]
    if variant is not None:
        remarks.append(f"variant {variant} as asked for")
    variant = variant or form.variant
    remarks += _fit_variant(tensors, form, variant)
    classes = _classes(tensors)
    _check_shapes(tensors, origin, form, backbone, variant, source.path)
    card = WeightsCard(
        name=source.path.stem,
        format=name,
        backbone=backbone,
        variant=variant,
        normalisation=NORMALISATIONS[normalisation or form.normalisation],
        classes=classes,
        source=source.path.name,
        sha256=source.sha256,
        licence=form.licence,
        note="; ".join(remarks),
    )
    return Conversion(tensors, card, origin, aside, tuple(remarks))


def _recognise(source: Source) -> tuple[str, Format, str]:
    """The format that explains most of the file's names, and the prefix that they carry."""
    best, most = None, 0
    for name, form in formats().items():
        if form.names.layout != source.layout or form.saved_model not in (None, source.saved_model):
            continue
        for prefix in _prefixes(source, form):
            names = form.names.tensors(form.names.count_blocks(source.tensors, prefix), prefix)
            present = sum(theirs in source.tensors for theirs in names.values())
            biases = [theirs in source.tensors for ours, theirs in names.items() if _is_conv_bias(ours)]
            if (2 * sum(biases) > len(biases)) == form.biases and present > most:
                best, most = (name, form, prefix), present
    if best is None:
        raise UserError(
            f"{source.path} holds no ResNet50 under any names that are known (it begins with {_some(source.tensors)}); "
            f"known are: {', '.join(form.title for form in formats().values())}"
        )
    return best


def _prefixes(source: Source, form: Format) -> set[str]:
    """What may stand before every name of the network ('module.', 'encoder_q.'), but for what is kept aside."""
    found = {name.removesuffix(stem) for name in source.tensors for stem in form.names.stem() if name.endswith(stem)}
    return {prefix for prefix in found if prefix == "" or (prefix.endswith(".") and not _matches(prefix, form.aside))}


def _backbone(source: Source, form: Format, prefix: str) -> str:
    blocks = form.names.count_blocks(source.tensors, prefix)
    names = form.names.tensors(blocks, prefix)
    if any(theirs in source.tensors for ours, theirs in names.items() if ours.endswith("conv3.kernel")):
        for backbone, architecture in ARCHITECTURES.items():
            if architecture.blocks == blocks:
                return backbone
        found = BOTTLENECKS.get(blocks, f"a ResNet of {blocks} bottleneck blocks")
    else:
        found = BASIC_BLOCKS.get(blocks, f"a ResNet of {blocks} basic blocks")
    raise UserError(f"{source.path} holds {found}; what can be converted is {', '.join(ARCHITECTURES)}")


def _origin(source: Source, form: Format, prefix: str, blocks: tuple[int, ...]) -> dict[str, str]:
    """Our name -> the file's, for the tensors that the file must hold; refuses a file that lacks one."""
    names = form.names.tensors(blocks, prefix)
    has_head = any(
        names[ours] in source.tensors and not _matches(names[ours], form.aside)
        for ours in names
        if kind_of(ours) == "head"
    )
    wanted = {
        ours: theirs
        for ours, theirs in names.items()
        if (form.biases or not _is_conv_bias(ours)) and (has_head or kind_of(ours) != "head")
    }
    missing = [theirs for theirs in wanted.values() if theirs not in source.tensors]
    if missing:
        raise UserError(f"{source.path} ({form.title}) lacks {_some(missing)}")
    return wanted


def _aside(source: Source, form: Format, origin: Mapping[str, str]) -> tuple[str, ...]:
    """The tensors that are no part of the network; refuses a file with one that nobody knows."""
    rest = set(source.tensors).difference(origin.values())
    unknown = sorted(name for name in rest if not _matches(name, form.aside))
    if unknown:
        raise UserError(
            f"{source.path} ({form.title}) holds tensors that have no place in the network: {_some(unknown)}"
        )
    return tuple(sorted(rest))


def _fit_variant(tensors: dict[str, np.ndarray], form: Format, variant: str) -> list[str]:
    """Brings biases and epsilon to those of `variant` without changing what the network computes; says what it did."""
    if variant not in VARIANTS:
        raise UserError(f"unknown variant '{variant}'; known are {', '.join(VARIANTS)}")
    wanted, remarks = VARIANTS[variant], []
    convs = [name.removesuffix(".kernel") for name in tensors if name.endswith(".kernel") and kind_of(name) == "conv"]
    if wanted.conv_bias and not form.biases:
        for conv in convs:
            tensors[f"{conv}.bias"] = np.zeros(tensors[f"{conv}.kernel"].shape[-1], np.float32)
        remarks.append("convolution biases, absent from the file, set to zero")
    if form.biases and not wanted.conv_bias:
        for conv in convs:
            tensors[f"{norm_after(conv)}.mean"] -= tensors.pop(f"{conv}.bias")
        remarks.append("convolution biases subtracted from the means of the BatchNorm behind them")
    if form.epsilon is not None:
        for name in tensors:
            if name.endswith(".var"):
                tensors[name] += np.float32(form.epsilon - wanted.epsilon)
        remarks.append(
            f"BatchNorm epsilon {form.epsilon:g} of the original added to the variances, less {wanted.epsilon:g}"
        )
    return remarks


def _check_shapes(
    tensors: Mapping[str, np.ndarray], origin: Mapping[str, str], form: Format, backbone: str, variant: str, path: Path
) -> None:
    num_classes = len(tensors["head.bias"]) if "head.bias" in tensors else 1
    shapes = models.shapes(backbone, variant, num_classes)
    for ours, theirs in origin.items():
        if ours in tensors and tensors[ours].shape != shapes[ours]:
            has, wanted = (to_theirs(form.names.layout, np.empty(s)).shape for s in (tensors[ours].shape, shapes[ours]))
            raise UserError(f"tensor '{theirs}' of {path} has shape {has}; {backbone} has {wanted} there")


def imagenet_classes() -> tuple[str, ...]:
    """The 1000 classes in the order of every ImageNet head; the two names that occur twice carry their WordNet id."""
    text = resources.files("tljax.weights").joinpath("imagenet_classes.csv").read_text()
    return tuple(row["name"] for row in csv.DictReader(text.splitlines()))


def _classes(tensors: Mapping[str, np.ndarray]) -> tuple[str, ...] | None:
    if "head.bias" not in tensors:
        return None
    count = len(tensors["head.bias"])
    return imagenet_classes() if count == 1000 else tuple(f"class {index}" for index in range(count))


def _is_conv_bias(ours: str) -> bool:
    return ours.endswith(".bias") and kind_of(ours) == "conv"


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)


def _some(names: Collection[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    return ", ".join(f"'{name}'" for name in list(names)[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
