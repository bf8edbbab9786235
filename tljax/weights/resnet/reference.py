"""Runs the original network of a ResNet's file with the file's tensors, for `--verify`."""

import numpy as np

from tljax.core.errors import UserError
from tljax.models.resnet import ARCHITECTURES, VARIANTS
from tljax.weights.convert import Conversion
from tljax.weights.files import Source
from tljax.weights.formats import formats
from tljax.weights.reference import LOGITS, tensors_by

KERAS = {"resnet50": "ResNet50", "resnet101": "ResNet101", "resnet152": "ResNet152"}  # functions of keras.applications


def by_torch(source: Source, conversion: Conversion, images: np.ndarray) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the outputs of a plain PyTorch network of the assumed variant."""
    import torch

    from tljax.weights.resnet import reference_torch

    card, tensors = conversion.card, _tensors(source, conversion, "keras-port")
    size, variant = ARCHITECTURES[card.backbone], VARIANTS[card.variant]
    with torch.device("meta"):  # these are the file's own tensors, not a copy
        network = reference_torch.ResNet(
            size.blocks,
            size.width,
            len(tensors["fc.bias"]) if "fc.bias" in tensors else 0,
            bottleneck=size.bottleneck,
            stride_in_first=variant.stride_in_first,
            biases="conv1.bias" in tensors,
            epsilon=variant.epsilon,
        )
    state = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    counters = [name for name, _ in network.named_buffers() if name.endswith("num_batches_tracked")]
    network.load_state_dict(state | dict.fromkeys(counters, torch.tensor(0)), strict=True, assign=True)
    title = f"a plain PyTorch {card.backbone} of variant {card.variant}"
    return title, reference_torch.outputs(network, images)


def keras_layers(backbone: str) -> dict[str, str]:
    """Returns, for each of our layers, the Keras layer with the same output."""
    stages = enumerate(ARCHITECTURES[backbone].blocks, start=1)
    ends = {f"block{stage}": f"conv{stage + 1}_block{count}_out" for stage, count in stages}
    return {"conv1": "conv1_relu", **ends, LOGITS: "predictions"}


def by_keras(source: Source, conversion: Conversion, images: np.ndarray) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the outputs of keras.applications' network. Raises UserError if it has none."""
    card = conversion.card
    if card.backbone not in KERAS or card.variant != "keras_v1":
        raise UserError(f"keras.applications has no {card.backbone} of variant {card.variant} to compare with")
    from tljax.weights import reference_keras

    tensors, network = _tensors(source, conversion, "keras"), KERAS[card.backbone]
    found = reference_keras.outputs(network, keras_layers(card.backbone), tensors, images, conversion.epsilon)
    return f"keras.applications.{network}", found


def _tensors(source: Source, conversion: Conversion, format_name: str) -> dict[str, np.ndarray]:
    """Returns the file's tensors under the names of another format of its layout."""
    names = formats()[format_name].names(conversion.card.backbone, "keras_v1")  # includes the names of both variants
    return tensors_by(names, source, conversion)
