"""Checks how a Keras file describes its head: average pooling, a dense layer and softmax, or something else."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from tljax.weights.keras.files import Layer, models
from tljax.weights.keras.graph import IDENTITIES

END = {"Activation", "ReLU", "Add", "Concatenate", *IDENTITIES}  # layers without tensors that may end a network
SEVEN = ((7, 7), [7, 7], 7)  # size of the average pooling of Keras before 2.2, over a whole grid of 7 x 7


@dataclass(frozen=True)
class Node:
    """A layer of the model, after nested models are unpacked."""

    kind: str
    config: Mapping
    inputs: tuple[str, ...]  # the nodes whose outputs are its inputs


def fault(described: Collection[Mapping[str, Layer]], dense: str, own: Collection[str]) -> str | None:
    """Returns how a head differs from average pooling, a dense layer, and then softmax or nothing.

    Returns None if it does not differ, or if the file does not describe it. described: the models of the file, the
    outermost first. dense: the name of the dense layer. own: the layers of the network that hold tensors.
    """
    if not described:
        return None
    nodes = dict(_flat(next(iter(described)), ""))
    place = next((place for place, node in nodes.items() if _name(place) == dense and node.kind == "Dense"), None)
    if place is None:
        return None
    return _before(nodes, place, own) or _after(nodes, place)


def _name(place: str) -> str:
    return place.rpartition("/")[2]


def _flat(layers: Mapping[str, Layer], prefix: str, given: tuple[str, ...] = ()) -> Iterator[tuple[str, Node]]:
    """Yields every layer that is not a model, with its place, including the layers of nested models.

    given: the nodes that are the inputs of a nested model.
    """
    chained = not any(layer.inputs for layer in layers.values())
    ends: dict[str, tuple[str, ...]] = {}  # layer -> the nodes of its output
    before: tuple[str, ...] = given
    for name, layer in layers.items():
        inputs = before if chained else tuple(end for source in layer.inputs for end in ends.get(source, (source,)))
        inner = next(models(layer.config), None)
        if inner is not None:
            found = dict(_flat(inner, f"{prefix}{name}/", inputs))
            yield from found.items()
            ends[name] = tuple(_outputs(layer, inner, found, f"{prefix}{name}/"))
        elif layer.kind == "InputLayer" and given:
            ends[name] = given
        else:
            yield f"{prefix}{name}", Node(layer.kind, layer.config, inputs)
            ends[name] = (f"{prefix}{name}",)
        before = ends[name]


def _outputs(layer: Layer, inner: Mapping[str, Layer], found: Mapping[str, Node], prefix: str) -> Iterator[str]:
    """Yields the nodes that are the outputs of a nested model."""
    listed = layer.config.get("output_layers") or ()
    names = [entry[0] for entry in ([listed] if listed and isinstance(listed[0], str) else listed)]
    for name in names or [list(inner)[-1]]:
        places = [place for place in found if place == prefix + name or place.startswith(f"{prefix}{name}/")]
        if places:
            yield places[-1]


def _before(nodes: Mapping[str, Node], dense: str, own: Collection[str]) -> str | None:
    """Returns what is wrong between the network and the dense layer."""
    place, is_pooled, is_flattened = dense, False, False
    while True:
        inputs = nodes[place].inputs
        if len(inputs) != 1 or inputs[0] not in nodes:
            return f"as the file describes {len(inputs)} inputs of '{_name(place)}'"
        place = inputs[0]
        node = nodes[place]
        if node.kind == "GlobalAveragePooling2D" or (is_flattened and _is_seven(node)):
            is_pooled = True
        elif is_pooled and (_name(place) in own or node.kind in END):
            return None
        elif node.kind == "Flatten":
            is_flattened = True
        elif node.kind == "LayerNormalization" and _name(place) in own:
            continue  # the network's own, between pooling and head
        elif node.kind not in IDENTITIES:
            where = "the average pooling" if is_pooled else "the dense layer, instead of average pooling"
            return f"as the file describes '{_name(place)}' ({node.kind}) before {where}"


def _is_seven(node: Node) -> bool:
    return node.kind == "AveragePooling2D" and node.config.get("pool_size") in SEVEN


def _after(nodes: Mapping[str, Node], dense: str) -> str | None:
    """Returns what is wrong after the dense layer."""
    activation = _activation(nodes[dense])
    if activation not in ("linear", "softmax"):
        return f"as the file describes {activation} as its activation, instead of softmax"
    following = [place for place, node in nodes.items() if dense in node.inputs]
    while following:
        if len(following) > 1:
            return "as the file describes several layers after it"
        (place,) = following
        node = nodes[place]
        is_softmax = node.kind == "Softmax" or (node.kind == "Activation" and _activation(node) == "softmax")
        if not is_softmax and node.kind not in IDENTITIES:
            return f"as the file describes '{_name(place)}' ({node.kind}) after it"
        following = [other for other, node in nodes.items() if place in node.inputs]
    return None


def _activation(node: Node) -> str:
    """Returns the name of an activation, which Keras 3 may write as an object."""
    value = node.config.get("activation") or "linear"
    if isinstance(value, Mapping):
        value = value.get("config") if isinstance(value.get("config"), str) else value.get("class_name")
    return str(value)
