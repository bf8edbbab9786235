"""Converts a checkpoint of another library into our tensors and a card, either exactly or not at all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from tljax import models
from tljax.core.errors import UserError
from tljax.models import HEAD
from tljax.weights.card import NORMALISATIONS, WeightsCard
from tljax.weights.classes import classes_of
from tljax.weights.files import Source, read
from tljax.weights.formats import Description
from tljax.weights.heads import Head, find_head
from tljax.weights.keras.input import layers_before
from tljax.weights.match import Match
from tljax.weights.names import Layout, Shape, Where, all_in_file, in_file, our_shape, some, their_shapes, to_ours
from tljax.weights.recognise import recognise
from tljax.weights.shards import lesson_for_one

LEAST_VARIANCE = -1e-5  # a variance of 0 can become this small when a conversion changes epsilon


@dataclass(frozen=True)
class Conversion:
    """The result of converting a weights file."""

    tensors: dict[str, np.ndarray]  # by our flat names
    card: WeightsCard
    origin: dict[str, tuple[str, ...]]  # our name -> the file's tensors from which it was made
    aside: tuple[str, ...]  # the file's tensors that are not part of the network
    remarks: tuple[str, ...]  # what was assumed or changed
    epsilon: float | None  # of the original's BatchNorm, if it differs from the variant's


def convert(
    path: Path, *, variant: str | None = None, normalisation: str | None = None, backbone: str | None = None
) -> Conversion:
    """Converts the weights file at `path`, whose format is recognised by its content.

    variant, normalisation: override what the format implies (keys of the family's VARIANTS and of NORMALISATIONS).
    backbone: the expected one; None accepts any. Raises UserError, which names the tensor or the fact, for a file that
    does not hold exactly one network that tljax has.
    """
    source = read(path)
    match = _whole_match(source)
    _refuse_options(source, match, backbone, variant, normalisation)
    head = find_head(source, match)
    names = match.body | dict(head.names)
    aside = _aside(source, match, names, head)
    shapes = _checked_shapes(source, match, names)
    tensors = {ours: to_ours(where, match.form.layout, shapes[ours], source.tensors) for ours, where in names.items()}
    described = _description(source, match)
    if variant and described.compatible and variant not in described.compatible:
        models.shapes(match.backbone, variant, 1)  # refuses an unknown variant
        raise UserError(
            f"{source.path} describes its layers, which are those of {' or '.join(described.compatible)}; --variant "
            f"{variant} contradicts them: leave it out"
        )
    outputs = len(tensors.get(f"{HEAD}bias", ()))
    classes, assumed = classes_of(source, match, outputs)
    chosen, input_given = variant or described.variant or match.variant, normalisation or described.normalisation
    remarks = (
        *_remarks(source, match, head, described),
        *assumed,
        *_own_input(source, match, normalisation),
        *([f"variant {variant}, by --variant"] if variant else []),
        *([f"input {normalisation}, by --normalisation"] if normalisation else []),
        *_fit(tensors, match, chosen, described),
    )
    card = replace(
        _card(source, match, classes, outputs),
        variant=chosen,
        sha256=source.sha256,
        note="; ".join(remarks),
        **({"normalisation": NORMALISATIONS[input_given]} if input_given else {}),
    )
    origin = {ours: in_file(where) for ours, where in names.items()}
    return Conversion(tensors, card, origin, aside, remarks, described.epsilon)


def _refuse_options(
    source: Source, match: Match, backbone: str | None, variant: str | None, normalisation: str | None
) -> None:
    """Raises UserError if the options do not fit the network."""
    if backbone not in (None, match.backbone):
        raise UserError(f"{source.path} holds a {match.backbone} ({match.form.title}), not a {backbone}")
    if normalisation not in (None, *NORMALISATIONS):
        raise UserError(f"unknown normalisation '{normalisation}'; known are {', '.join(NORMALISATIONS)}")
    channels = models.input_channels(match.backbone, variant or match.variant)
    if normalisation and NORMALISATIONS[normalisation].depth != channels:
        raise UserError(
            f"--normalisation {normalisation} gives {NORMALISATIONS[normalisation].depth} channels; the network in "
            f"{source.path} takes {channels}"
        )


def _card(source: Source, match: Match, classes: tuple[str, ...] | None, outputs: int) -> WeightsCard:
    """Returns the card in a file that tljax wrote, or else the one that the format implies.

    Raises UserError if the card in the file does not fit its tensors.
    """
    own = source.card
    if own is None:
        return WeightsCard(
            name=source.path.stem,
            format=match.format_name,
            backbone=match.backbone,
            variant=match.variant,
            normalisation=NORMALISATIONS[match.form.normalisation],
            classes=classes,
            source=source.path.name,
            sha256=source.sha256,
            licence=match.form.licence,
            note="",
        )
    stated, found = f"{own.backbone}, {len(own.classes or ())} classes", f"{match.backbone}, {outputs} classes"
    if stated != found:
        raise UserError(
            f"{source.path} was changed after tljax wrote it: its metadata state {stated}, but its tensors are those "
            f"of {found}; save it without the metadata"
        )
    return own


def _whole_match(source: Source) -> Match:
    """Returns the network in a file. Raises UserError if there is none or a part of it is missing."""
    try:
        match = recognise(source)
        if match.missing:
            raise UserError(f"{source.path} ({match.form.title}) lacks {some(match.missing)}")
    except UserError as error:
        if lesson := lesson_for_one(source.path):
            raise UserError(f"{error}; {lesson}") from error
        raise
    return match


def _aside(source: Source, match: Match, names: Mapping[str, Where], head: Head) -> tuple[str, ...]:
    """Returns the tensors that are not part of the network, counters last. Raises UserError for an unknown tensor."""
    rest = set(source.tensors) - all_in_file(names)
    unknown = sorted(rest - head.aside - {name for name in rest if match.is_aside(name) or match.is_outside(name)})
    if unknown:
        raise UserError(
            f"{source.path} ({match.form.title}) holds tensors that have no place in the network: {some(unknown)}"
        )
    return tuple(sorted(rest, key=lambda name: (name.endswith("num_batches_tracked"), name)))


def _checked_shapes(source: Source, match: Match, names: Mapping[str, Where]) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of our tensors. Raises UserError for a tensor of the file that does not fit the backbone."""
    bias = names.get(f"{HEAD}bias")
    classes = source.tensors[in_file(bias)[0]].size if bias else 1
    shapes = models.shapes(match.backbone, match.variant, classes)
    if different := shapes.keys() ^ (names.keys() | {name for name in shapes if name.startswith(HEAD)}):
        raise AssertionError(f"format {match.format_name} and {match.backbone} differ in {some(sorted(different))}")
    for ours, where in names.items():
        for theirs, wanted in their_shapes(where, match.form.layout, shapes[ours]).items():
            fault = _fault(source.tensors[theirs], wanted, match, is_variance=ours.endswith(".var"))
            if fault:
                raise UserError(f"tensor '{theirs}' of {source.path} {fault}")
    return shapes


def _fault(tensor: np.ndarray, wanted: tuple[int, ...], match: Match, *, is_variance: bool) -> str | None:
    if tensor.shape != wanted:
        hint = _hint(tensor.shape, wanted, match.form.layout)
        return f"has shape {tensor.shape}; {match.backbone} ({match.form.title}) has {wanted} there{hint}"
    if not jnp.issubdtype(tensor.dtype, jnp.floating):
        return f"is {tensor.dtype}: quantised, or not weights; save it as float32 with the program that made it"
    if not np.isfinite(tensor).all():
        return "holds NaN or infinity; these weights are broken"
    if tensor.dtype.itemsize > 4 and np.abs(tensor).max(initial=0) > np.finfo(np.float32).max:
        return f"holds {np.abs(tensor).max():.3g}, which is too large for float32; these weights are broken"
    if is_variance and tensor.min() < LEAST_VARIANCE:
        return f"holds a variance below zero, {tensor.min():.3g}; these weights are broken"
    return None


def _hint(found: Shape, wanted: Shape, layout: Layout) -> str:
    """Returns what the unexpected shape of a kernel shows about its network."""
    if len(found) == 5 and len(wanted) == 4:
        return ": this kernel has three dimensions, as in networks for volumes or videos"
    if len(found) != 4 or len(wanted) != 4:
        return ""
    height, width, inputs, _ = our_shape(layout, found)
    our_height, our_width, our_inputs, _ = our_shape(layout, wanted)
    if (height, width) != (our_height, our_width):
        return f": this kernel is {height} x {width}, but the network's is {our_height} x {our_width}"
    if our_inputs in (1, 3) and inputs != our_inputs:
        return f": this network takes images of {inputs} channel{'s' * (inputs > 1)}, but ours takes {our_inputs}"
    return ""


def _description(source: Source, match: Match) -> Description:
    if source.card:
        return Description(variant=source.card.variant)
    return match.form.describe(source, match) if match.form.describe else Description()


def _remarks(source: Source, match: Match, head: Head, described: Description) -> Iterator[str]:
    """Yields what was assumed, and what is unusual about the file."""
    yield match.form.rule if source.card is None else "written by tljax: variant, input and classes are its card's"
    yield from source.remarks
    if match.others:
        yield f"read from '{match.prefix}', not from {some(match.others)}"
    yield from head.remarks
    if match.has_more:
        yield "part of a larger model, which may use another input (--normalisation) or other strides (--variant)"
    maxima = [name for model in source.models for name, layer in model.items() if layer.kind == "GlobalMaxPooling2D"]
    if maxima:
        yield f"'{maxima[0]}' of the file takes the maximum over positions; in tljax the features are the mean"
    if described.variant not in (None, match.variant) and source.layout == "keras":
        yield f"the file's description of its layers shows the variant {described.variant}"
    yield from described.remarks


def _own_input(source: Source, match: Match, normalisation: str | None) -> Iterator[str]:
    """Yields a remark on layers before the network that change the pixels.

    Raises UserError if there are such layers and no input is given.
    """
    layers = [] if source.card or source.layout != "keras" else layers_before(source, match)
    if layers and not normalisation:
        raise UserError(
            f"{source.path} has layers that change the pixels before they reach the network, {some(layers)}, so its "
            f"input may not be that of {match.form.title}. State the input of the network itself, if it is one of "
            f"these: --normalisation {'|'.join(NORMALISATIONS)}"
        )
    if layers:
        yield f"left out before the network: {some(layers)}"


def _fit(tensors: dict[str, np.ndarray], match: Match, variant: str, described: Description) -> list[str]:
    """Changes the tensors in place to fit `variant`; returns in words what it did. The network computes the same."""
    if match.form.fit:
        models.shapes(match.backbone, variant, 1)  # refuses an unknown variant
        return match.form.fit(tensors, variant, described)
    ours, wanted = (models.shapes(match.backbone, kind, 1) for kind in (match.variant, variant))
    if ours != wanted:
        raise UserError(f"--variant {variant} has other tensors than {match.variant}, which the file holds")
    return []
