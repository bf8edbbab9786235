"""Finds the head in a file: the format's own, or the one with which a user replaced it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from tljax import models
from tljax.models import HEAD
from tljax.weights.files import Source
from tljax.weights.keras import head as described
from tljax.weights.match import Match
from tljax.weights.names import Where, all_in_file, dense_leaves, in_file, our_shape, some


@dataclass(frozen=True)
class Head:
    """The classification head in a file, or why there is none."""

    names: Mapping[str, Where]  # our name -> where the file keeps it; empty if there is no classification head
    aside: frozenset[str] = frozenset()  # the tensors of a head of another kind
    remarks: tuple[str, ...] = ()


def find_head(source: Source, match: Match) -> Head:
    """Returns the classification head: the format's own, or the only dense layer that follows the features.

    A head that a Keras file describes as anything but average pooling, a dense layer and softmax is left out.
    """
    head = _by_tensors(source, match)
    if not head.names:
        return head
    kernel, *_ = in_file(head.names[f"{HEAD}kernel"])
    own = {theirs.split("/")[-2] for theirs in all_in_file(match.body) if "/" in theirs}
    fault = described.fault(source.models, kernel.split("/")[-2], own) if "/" in kernel else None
    return head if fault is None else _left_out(all_in_file(head.names), fault)


def _left_out(parts: Collection[str], fault: str, shown: Collection[str] = ()) -> Head:
    """Returns that there is no classification head. shown: names for the message; empty: those of the parts."""
    return Head({}, frozenset(parts), (f"head left out, {fault}: {some(sorted(shown or parts))}",))


def _by_tensors(source: Source, match: Match) -> Head:
    """Returns the head, found by the shapes of its layers."""
    if match.has_head:
        names = {ours: where for ours, where in match.names.items() if ours.startswith(HEAD)}
        if source.card:
            return Head(names)
        if match.form.projects and _is_zero(source, names[f"{HEAD}bias"]):
            return _left_out(all_in_file(names), "as its bias is zero, as a projection's is")
        if not match.form.exclusive:
            fault = "as its outputs are findings that do not exclude each other (sigmoids) instead of classes"
            return _left_out(all_in_file(names), fault)
        return Head(names)
    network = all_in_file(match.body)
    left = {name for name in source.tensors if name not in network and not match.is_aside(name)}
    features = models.shapes(match.backbone, match.variant, 1)[f"{HEAD}kernel"][0]
    layers = _layers_on(features, dict(_dense_layers(source, match, left)))
    parts = set(_parts(source, match, left, layers))
    if not parts:
        return Head({})
    fault = _fault(match, left, layers, features)
    if fault:
        return _left_out(parts, fault, layers)
    (layer,) = layers
    names = {HEAD + ours: layer + theirs for ours, theirs in dense_leaves(match.form.layout).items()}
    return Head(names, remarks=(f"'{layer}' is assumed to be the head, as it is the only layer next to the network",))


def _is_zero(source: Source, where: Where) -> bool:
    return not any(source.tensors[theirs].any() for theirs in in_file(where))


def _dense_layers(source: Source, match: Match, names: set[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yields the dense layers outside the network's own modules, with their numbers of inputs and outputs."""
    suffix = dense_leaves(match.form.layout)["kernel"]
    own = {theirs for ours, where in match.names.items() if ours.startswith(HEAD) for theirs in in_file(where)}
    for name in names:
        outside = name in own or not match.is_within(name)  # torchvision's ConvNeXt has its head next to its LayerNorm
        if name.endswith(suffix) and source.tensors[name].ndim == 2 and outside:
            takes, gives = our_shape(match.form.layout, source.tensors[name].shape)
            yield name.removesuffix(suffix), (takes, gives)


def _layers_on(features: int, dense: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Returns the layers whose input is the features, pooled or at several positions, and the layers that follow."""
    found, size = {}, -1
    while len(found) > size:
        size, outputs = len(found), {outputs for _, outputs in found.values()}
        found |= {name: ends for name, ends in dense.items() if ends[0] % features == 0 or ends[0] in outputs}
    return found


def _parts(source: Source, match: Match, left: set[str], layers: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """Yields the tensors of these layers, of normalisations between them, and of layers with the name of a head."""
    widths = {width for ends in layers.values() for width in ends}
    kernels = {name + dense_leaves(match.form.layout)["kernel"] for name in layers}
    for name in left:
        is_vector = source.tensors[name].ndim == 1 and source.tensors[name].size in widths
        if name in kernels or match.form.is_own_head(name) or (is_vector and not match.is_within(name)):
            yield name


def _fault(match: Match, left: set[str], layers: Mapping[str, tuple[int, int]], features: int) -> str | None:
    """Returns why the head is not a single dense layer for classes; None if it is one."""
    if len(layers) != 1:
        return "as it has several layers" if layers else "as its input is not the network's features"
    ((layer, (inputs, outputs)),) = layers.items()
    leaves = dense_leaves(match.form.layout)
    if outputs == 1:
        return "as it has a single output, for a sigmoid, instead of classes"
    if inputs != features:
        return f"as it takes {inputs} values, but the network gives {features}"
    if layer + leaves["bias"] not in left:
        return "as it has no bias, so it may compute cosine similarities"
    others = left - {layer + leaf for leaf in leaves.values()}
    return f"as other parts, {some(sorted(others))}, are next to it" if others else None
