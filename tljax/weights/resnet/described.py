"""Compares a Keras file's description of a ResNet's layers with ours: strides, padding and ReLUs are not in tensors."""

from collections.abc import Mapping

from tljax.models.resnet import ARCHITECTURES, VARIANTS, Architecture
from tljax.weights.files import Source
from tljax.weights.formats import Description
from tljax.weights.keras.epsilon import common_epsilon
from tljax.weights.keras.graph import INPUT, add, batch_norm, convolution, max_pool, refuse_difference, relu
from tljax.weights.keras.graph import differences as differences_of
from tljax.weights.keras.own_layers import model_with, own_layers
from tljax.weights.match import Match


def describe(source: Source, match: Match, epsilon: float | None = None) -> Description:
    """Returns the variant and the epsilon of BatchNorm that Keras' description of the layers states.

    epsilon: that of a file without a description. Raises UserError, which names the first layer that differs, if the
    described network differs from every variant of ours.
    """
    layers = own_layers(match)
    model = model_with(source, layers["conv1"])
    if model is None:
        return Description(epsilon=epsilon)
    size = ARCHITECTURES[match.backbone]
    differences = {
        variant: list(differences_of(model, *_expected(layers, size, VARIANTS[variant].stride_in_first)))
        for variant in VARIANTS
    }
    variant = min(differences, key=lambda variant: len(differences[variant]))
    if differences[variant]:
        refuse_difference(source.path, differences[variant][0], variant)
    norms = [model[theirs] for ours, theirs in layers.items() if "bn" in ours]
    return Description(variant, (variant,), common_epsilon(source, norms))


def _expected(
    layers: Mapping[str, str], size: Architecture, stride_in_first: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns what each of our layers computes, by the file's names, and the name of each block's last computation."""
    wanted, ends = {}, {}

    def conv_norm(place: str, conv: str, norm: str, x: str, stride: int, padding: int) -> str:
        conv, norm = layers[place + conv], layers[place + norm]
        wanted[conv], wanted[norm] = convolution(x, stride, padding), batch_norm(conv)
        return norm

    x = max_pool(relu(conv_norm("", "conv1", "bn1", INPUT, 2, 3)), 3, 2, 1)
    for stage, count in enumerate(size.blocks):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            first, second = (stride, 1) if stride_in_first else (1, stride)
            place = f"stages.{stage}.{block}."
            shortcut = conv_norm(place, "shortcut_conv", "shortcut_bn", x, stride, 0) if block == 0 else x
            y = conv_norm(place, "conv1", "bn1", x, first, 0)
            y = conv_norm(place, "conv2", "bn2", relu(y), second, 1)
            y = conv_norm(place, "conv3", "bn3", relu(y), 1, 0)
            x = ends[relu(add([y, shortcut]))] = f"block{stage + 1}.{block}"
    return wanted, ends
