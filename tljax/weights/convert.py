"""A foreign checkpoint becomes our tensors and a card: exactly, or refused with the reason."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from tljax import models
from tljax.core.errors import UserError
from tljax.models.resnet import VARIANTS
from tljax.weights.card import NORMALISATIONS, WeightsCard
from tljax.weights.described import description, layers_before
from tljax.weights.files import Source, read
from tljax.weights.heads import Head, find_head
from tljax.weights.names import is_conv_bias, kind_of, norm_after, some, their_shape, to_ours
from tljax.weights.recognise import Match, backbone_of, recognise

LEAST_VARIANCE = -1e-5  # an epsilon: what is left of 0 where a conversion fitted another one


@dataclass(frozen=True)
class Conversion:
    tensors: dict[str, np.ndarray]  # by our flat names
    card: WeightsCard
    origin: dict[str, str]  # our name -> the file's
    aside: tuple[str, ...]  # the file's tensors that are no part of the network
    remarks: tuple[str, ...]  # what was assumed or changed
    epsilon: float | None  # of the original's BatchNorm, where it is not the variant's


def convert(path: Path, *, variant: str | None = None, normalisation: str | None = None) -> Conversion:
    """Reads the weights file at `path`, of whichever format its content proves it to be.

    variant, normalisation: override what the format implies (keys of the backbone's VARIANTS and of NORMALISATIONS).
    Raises UserError, naming the tensor or the fact, for whatever is not exactly one network that we have.
    """
    source = read(path)
    match = recognise(source)
    backbone = backbone_of(match, source)
    body = _body(source, match)
    head = find_head(source, match, body)
    origin = body | head.origin
    aside = _aside(source, match, origin, head)
    _check_tensors(source, match, origin, backbone)
    tensors = {ours: to_ours(match.form.names.layout, source.tensors[theirs]) for ours, theirs in origin.items()}
    described, epsilon = description(source, match)
    chosen = variant or described or match.form.variant
    remarks = (
        *_remarks(source, match, head, described),
        *_own_input(source, match, normalisation),
        *([f"variant {variant}, as asked for"] if variant else []),
        *([f"input normalised for {normalisation}, as asked for"] if normalisation else []),
        *_fit_variant(tensors, chosen, epsilon),
    )
    card = replace(
        _card(source, match, backbone, _classes(tensors)),
        variant=chosen,
        sha256=source.sha256,
        note="; ".join(remarks),
        **({"normalisation": NORMALISATIONS[normalisation]} if normalisation else {}),
    )
    return Conversion(tensors, card, origin, aside, remarks, epsilon)


def _card(source: Source, match: Match, backbone: str, classes: tuple[str, ...] | None) -> WeightsCard:
    """The file's own, where tljax wrote it, or one of what the format implies; refuses one of other tensors."""
    own = source.card
    if own is None:
        return WeightsCard(
            name=source.path.stem,
            format=match.format_name,
            backbone=backbone,
            variant=match.form.variant,
            normalisation=NORMALISATIONS[match.form.normalisation],
            classes=classes,
            source=source.path.name,
            sha256=source.sha256,
            licence=match.form.licence,
            note="",
        )
    told, found = (
        f"{net}, {len(names or ())} classes" for net, names in ((own.backbone, own.classes), (backbone, classes))
    )
    if told != found:
        raise UserError(
            f"{source.path} was changed since tljax wrote it: its metadata say {told}, its tensors {found}; "
            "save it without the metadata"
        )
    return own


def _body(source: Source, match: Match) -> dict[str, str]:
    """Our name -> the file's, for every tensor of the network but the head; refuses a file that lacks one."""
    wanted = {
        ours: theirs
        for ours, theirs in match.names.items()
        if (match.form.biases or not is_conv_bias(ours)) and kind_of(ours) != "head"
    }
    missing = [theirs for theirs in wanted.values() if theirs not in source.tensors]
    if missing:
        raise UserError(f"{source.path} ({match.form.title}) lacks {some(missing)}")
    return wanted


def _aside(source: Source, match: Match, origin: Mapping[str, str], head: Head) -> tuple[str, ...]:
    """The tensors that are no part of the network, counters last; refuses a file with one that nobody knows."""
    rest = set(source.tensors).difference(origin.values())
    unknown = sorted(rest - head.aside - {name for name in rest if match.is_aside(name) or match.is_beside(name)})
    if unknown:
        raise UserError(f"{source.path} ({match.form.title}) holds what has no place in the network: {some(unknown)}")
    return tuple(sorted(rest, key=lambda name: (name.endswith("num_batches_tracked"), name)))


def _check_tensors(source: Source, match: Match, origin: Mapping[str, str], backbone: str) -> None:
    """Refuses a tensor that is not exactly the backbone's."""
    head = origin.get("head.bias")
    shapes = models.shapes(backbone, match.form.variant, source.tensors[head].size if head else 1)
    for ours, theirs in origin.items():
        tensor, wanted = source.tensors[theirs], their_shape(match.form.names.layout, shapes[ours])
        if tensor.shape != wanted:
            fault = (
                f"has shape {tensor.shape}; {backbone} has {wanted} there (a Wide ResNet or ResNeXt is another network)"
            )
        elif not jnp.issubdtype(tensor.dtype, jnp.floating):
            fault = f"is of {tensor.dtype}: quantised, or no weights; save them as float32 where they were made"
        elif not np.isfinite(tensor).all():
            fault = "holds NaN or infinity; these weights are broken"
        elif ours.endswith(".var") and tensor.min() < LEAST_VARIANCE:
            fault = f"holds a variance below zero, {tensor.min():.3g}; these weights are broken"
        else:
            continue
        raise UserError(f"tensor '{theirs}' of {source.path} {fault}")


def _remarks(source: Source, match: Match, head: Head, described: str | None) -> Iterator[str]:
    """What was assumed, and what is unusual about the file."""
    yield (
        match.form.rule if source.card is None else "written by tljax: variant, input and classes as its card has them"
    )
    yield from source.remarks
    if match.others:
        yield f"read from '{match.prefix}', not from {some(match.others)}"
    yield from head.remarks
    if match.has_more:
        yield "part of a larger model, which may give it other input (--normalisation) or other strides (--variant)"
    if described not in (None, match.form.variant):
        yield f"the file's own description of its layers: {described}"


def _own_input(source: Source, match: Match, normalisation: str | None) -> Iterator[str]:
    """A remark on the layers that change the pixels before the network; refused where the input is not given."""
    layers = [] if source.card else layers_before(source, match)
    if layers and not normalisation:
        raise UserError(
            f"{source.path} gives its network other input than Keras' ResNet50 takes, by {some(layers)} before it: "
            f"say what the network itself is given, --normalisation {'|'.join(NORMALISATIONS)}, if it is one of these"
        )
    if layers:
        yield f"left out before the network: {some(layers)}"


def _fit_variant(tensors: dict[str, np.ndarray], variant: str, epsilon: float | None) -> list[str]:
    """Brings biases and epsilon to those of `variant` without changing what the network computes; says what it did.

    epsilon: of the original's BatchNorm; None is the variant's own.
    """
    if variant not in VARIANTS:
        raise UserError(f"unknown variant '{variant}'; known are {', '.join(VARIANTS)}")
    wanted, remarks = VARIANTS[variant], []
    convs = [name.removesuffix(".kernel") for name in tensors if name.endswith(".kernel") and kind_of(name) == "conv"]
    has_biases = "conv1.bias" in tensors
    if wanted.conv_bias and not has_biases:
        for conv in convs:
            tensors[f"{conv}.bias"] = np.zeros(tensors[f"{conv}.kernel"].shape[-1], np.float32)
        remarks.append("convolution biases, which the file lacks, set to zero")
    if has_biases and not wanted.conv_bias:
        for conv in convs:
            tensors[f"{norm_after(conv)}.mean"] -= tensors.pop(f"{conv}.bias")
        remarks.append("convolution biases subtracted from the means of the BatchNorm behind them")
    if epsilon is not None and epsilon != wanted.epsilon:
        for name in tensors:
            if name.endswith(".var"):
                tensors[name] += np.float32(epsilon - wanted.epsilon)
        remarks.append(
            f"variances raised by {epsilon - wanted.epsilon:.3g}: the original's BatchNorm epsilon is {epsilon:g}"
        )
    return remarks


def imagenet_classes() -> tuple[str, ...]:
    """The 1000 classes in the order of every ImageNet head; the two names that occur twice carry their WordNet id."""
    text = resources.files("tljax.weights").joinpath("imagenet_classes.csv").read_text()
    return tuple(row["name"] for row in csv.DictReader(text.splitlines()))


def _classes(tensors: Mapping[str, np.ndarray]) -> tuple[str, ...] | None:
    if "head.bias" not in tensors:
        return None
    count = len(tensors["head.bias"])
    return imagenet_classes() if count == 1000 else tuple(f"class {index}" for index in range(count))
