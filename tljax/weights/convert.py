"""A foreign checkpoint becomes our tensors and a card: exactly, or refused with the reason."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from tljax import models
from tljax.errors import UserError
from tljax.models.resnet import VARIANTS
from tljax.weights.card import NORMALISATIONS, WeightsCard
from tljax.weights.files import Source, read
from tljax.weights.names import LEAVES, is_conv_bias, kind_of, norm_after, some, their_shape, to_ours
from tljax.weights.recognise import Match, backbone_of, is_aside, is_beside, recognise


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
    origin = _origin(source, match)
    aside = _aside(source, match, origin)
    _check_tensors(source, match, origin, backbone)
    tensors = {ours: to_ours(match.form.names.layout, source.tensors[theirs]) for ours, theirs in origin.items()}
    described, epsilon = _described(source, match)
    chosen = variant or described or match.form.variant
    remarks = (
        *_remarks(source, match, origin, described),
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


def _origin(source: Source, match: Match) -> dict[str, str]:
    """Our name -> the file's, for every tensor of the network and its head; refuses a file that lacks one."""
    wanted = {
        ours: theirs
        for ours, theirs in match.names.items()
        if (match.form.biases or not is_conv_bias(ours)) and (match.has_head or kind_of(ours) != "head")
    }
    missing = [theirs for theirs in wanted.values() if theirs not in source.tensors]
    if missing:
        raise UserError(f"{source.path} ({match.form.title}) lacks {some(missing)}")
    return wanted if match.has_head else wanted | _own_head(source, match, wanted)


def _own_head(source: Source, match: Match, origin: Mapping[str, str]) -> dict[str, str]:
    """Our name -> the file's, where all that is left is one dense layer of several outputs on the features: the head
    of whoever fine-tuned the network.
    """
    left = [name for name in source.tensors if name not in origin.values() and not is_aside(name, match.form)]
    leaves = LEAVES[match.form.names.layout]["head"]
    layer = next((name.removesuffix(leaves["bias"]) for name in left if name.endswith(leaves["bias"])), "")
    head = {f"head.{ours}": layer + theirs for ours, theirs in leaves.items()}
    if sorted(left) != sorted(head.values()):
        return {}
    features = source.tensors[origin[f"stages.{len(match.blocks) - 1}.{match.blocks[-1] - 1}.bn3.scale"]].size
    outputs = source.tensors[head["head.bias"]].size
    kernel = their_shape(match.form.names.layout, (features, outputs))
    return head if outputs > 1 and source.tensors[head["head.kernel"]].shape == kernel else {}


def _aside(source: Source, match: Match, origin: Mapping[str, str]) -> tuple[str, ...]:
    """The tensors that are no part of the network, counters last; refuses a file with one that nobody knows."""
    rest = set(source.tensors).difference(origin.values())
    unknown = sorted(name for name in rest if not (is_aside(name, match.form) or is_beside(name, match)))
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
        else:
            continue
        raise UserError(f"tensor '{theirs}' of {source.path} {fault}")


def _remarks(source: Source, match: Match, origin: Mapping[str, str], described: str | None) -> Iterator[str]:
    """What was assumed, and what is unusual about the file."""
    yield (
        match.form.rule if source.card is None else "written by tljax: variant, input and classes as its card has them"
    )
    yield from source.remarks
    head = origin.get("head.bias")
    if head and not match.has_head:
        yield f"the one layer besides the network, of '{head}', taken for its head"
    if not head and match.names.get("head.bias") in source.tensors:
        yield "the head has a single output, for a sigmoid, where classes are wanted: kept aside"
    if match.has_more:
        yield "part of a larger model, which may give it other input (--normalisation) or other strides (--variant)"
    if described not in (None, match.form.variant):
        yield f"the file's own description of its layers: {described}"


def _described(source: Source, match: Match) -> tuple[str | None, float | None]:
    """Variant and BatchNorm epsilon of the original: from Keras' description of its layers, else from the format."""
    if source.card:
        return source.card.variant, None
    if not source.layer_configs:
        return None, match.form.epsilon
    layers = {ours.rpartition(".")[0]: theirs.split("/")[-2] for ours, theirs in match.names.items()}
    norms = [
        source.layer_configs[name] for ours, name in layers.items() if name in source.layer_configs and "bn" in ours
    ]
    epsilons = {layer["epsilon"] for layer in norms if "epsilon" in layer}
    if len(epsilons) > 1:
        raise UserError(f"{source.path} has BatchNorm layers of different epsilon, {sorted(epsilons)}")
    first, second = (layers[f"stages.1.0.conv{conv}"] for conv in (1, 2))
    strides = tuple(tuple(source.layer_configs.get(layer, {}).get("strides", ())) for layer in (first, second))
    variants = {((2, 2), (1, 1)): "keras_v1", ((1, 1), (2, 2)): "torch_v1.5", ((), ()): None}
    if strides not in variants:
        raise UserError(
            f"{source.path} strides by {strides[0]} in '{first}' and by {strides[1]} in '{second}': no known ResNet"
        )
    return variants[strides], epsilons.pop() if epsilons else match.form.epsilon


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
