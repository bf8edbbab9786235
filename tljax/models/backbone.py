"""Defines what a backbone is, and the code that the families share.

A family is one file in `tljax/models/`, found by its name, that declares

    ARCHITECTURES: dict[str, Any]   # sizes as data, by the backbone's name: 'resnet50'
    VARIANTS: dict[str, Any]        # numerics as data (strides, epsilon, padding); the first one is the default
    Network                         # a Backbone: Network(architecture, variant, num_classes, *, dropout, dtype, rng)
    NORMALISATION = "imagenet"      # optional: the input of a network with random weights, a key of NORMALISATIONS

A variant may have an attribute `normalisation`, which overrides the family's. `rng` is a NumPy generator that draws the
kernels, or None for kernels of zeros. Another installed package can provide a family through an entry point of the
group `tljax.models`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float

from tljax.core.errors import UserError
from tljax.models.layers import Linear
from tljax.models.precision import at_least_float32

HEAD = "head."  # prefix of the names of the head's tensors, which fine-tuning replaces


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Outputs:
    """The outputs of a network for a batch."""

    logits: Float[Array, "b k"]
    activations: dict[str, Float[Array, "b _h _w _c"]]  # by layer name


@runtime_checkable
class Backbone(Protocol):
    """A network in flax.nnx whose parameters, statistics and layers have names.

    The tokens of a transformer are laid out as a grid `b h w c`, without class and register tokens.
    """

    named_layers: tuple[str, ...]
    """The few layers that tables and figures show, in order."""
    all_layers: tuple[str, ...]
    """Every block, in order."""

    def features(
        self,
        x: Float[Array, "b h w c"],
        layers: Collection[str] = (),
        mask: Bool[Array, " b"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Float[Array, "b d"], dict[str, Float[Array, "b _h _w _c"]]]:
        """Returns the input of the head, in float32, and the activations of `layers`.

        x: normalised images. layers: names from `named_layers` or `all_layers`. If it is a mapping, its values are
        added to the activations (see `Taps`). mask: the rows that count in batch statistics. rngs: random numbers for
        dropout within the backbone, in training.
        """
        ...

    def classify(self, features: Float[Array, "b d"], rngs: nnx.Rngs | None = None) -> Float[Array, "b k"]:
        """Returns the logits for features. rngs: random numbers for dropout, in training."""
        ...

    def trained_by(self, scope: str) -> Callable[[str], bool]:
        """Returns a function that says whether a training scope trains a tensor, by its flat name.

        scope: `all`, `head`, or one that the family defines. Raises UserError for an unknown scope.
        """
        ...

    def first_filters(self) -> Float[Array, "kh kw c n"] | None:
        """Returns the kernel of the first layer; None if the first layer has no kernel."""
        ...


class Taps:
    """Collects the activations that `features` returns, and can add values to them.

        taps = Taps(layers)
        y = taps("block1", self.stage(y))
        return pooled, taps.found()

    If `layers` is a mapping, its values are added to the activations, and the sums are returned. With values of zero,
    the gradient with respect to a value is the gradient with respect to the activation.
    """

    def __init__(self, layers: Collection[str]):
        self._layers, self._found = layers, {}

    def __contains__(self, name: str) -> bool:
        return name in self._layers

    def __call__(self, name: str, y: Float[Array, "b _h _w _c"]) -> Float[Array, "b _h _w _c"]:
        """Returns the activation of layer `name` that the rest of the network uses."""
        if name not in self._layers:
            return y
        if isinstance(self._layers, Mapping):
            y = y + self._layers[name].astype(y.dtype)
        self._found[name] = y
        return y

    def found(self) -> dict[str, Float[Array, "b _h _w _c"]]:
        """Returns the activations by layer. Raises KeyError for a layer that the network does not have."""
        return {name: self._found[name] for name in self._layers}


class BackboneModule(nnx.Module):
    """The base class of most families: dropout and a linear head on the features, and the scopes `all` and `head`.

    A family defines `features`. Its constructor calls `add_head`, and sets `named_layers` and `all_layers`
    (`name_layers` does so for a network of stages).
    """

    named_layers: tuple[str, ...]
    all_layers: tuple[str, ...]
    input_channels = 3
    input_multiple = 1  # the sides of images must be multiples of this number of pixels: a transformer's patch
    input_smallest = 1  # smallest allowed side of an image, in pixels
    saliency_layer: str | None = None  # the layer that Grad-CAM draws; None: the last of `named_layers`

    def name_layers(self, first: str, stage: str, blocks: Sequence[int]) -> None:
        """Sets the names of the layers of a network of stages.

        first: name of the layer before the stages. stage: `block` names the first stage `block1`, and its blocks
        `block1.0`, `block1.1`. blocks: number of blocks in each stage.
        """
        counts = dict(enumerate(blocks, start=1))
        self.named_layers = (first, *(f"{stage}{number}" for number in counts))
        self.all_layers = (
            first,
            *(f"{stage}{number}.{block}" for number, count in counts.items() for block in range(count)),
        )

    def add_head(self, channels: int, num_classes: int, dropout: float, rng: np.random.Generator | None) -> None:
        """Adds a linear classifier for features `b channels`."""
        self.dropout = nnx.Dropout(dropout)
        self.head = Linear(channels, num_classes, rng)

    def __call__(
        self,
        x: Float[Array, "b h w c"],
        *,
        layers: Collection[str] | None = None,
        mask: Bool[Array, " b"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> Outputs:
        """Returns logits and activations for normalised images, with the arguments of `features`.

        layers: None: the named layers.
        """
        features, activations = self.features(x, self.named_layers if layers is None else layers, mask, rngs)
        return Outputs(self.classify(features, rngs), activations)

    def features(
        self,
        x: Float[Array, "b h w c"],
        layers: Collection[str] = (),
        mask: Bool[Array, " b"] | None = None,
        rngs: nnx.Rngs | None = None,
    ) -> tuple[Float[Array, "b d"], dict[str, Float[Array, "b _h _w _c"]]]:
        raise NotImplementedError

    def refuse_small(self, x: Float[Array, "b h w c"]) -> None:
        """Raises UserError if a side of the images has fewer than `input_smallest` pixels."""
        height, width = x.shape[1:3]
        if min(height, width) < self.input_smallest:
            raise UserError(
                f"images of {height} x {width} pixels are too small for this network, as the grid of its last layers "
                f"would be empty; use --image-size {self.input_smallest} or more"
            )

    def classify(self, features: Float[Array, "b d"], rngs: nnx.Rngs | None = None) -> Float[Array, "b k"]:
        return self.head(self.dropout(features, rngs=rngs))

    def trained_by(self, scope: str) -> Callable[[str], bool]:
        if scope == "all":
            return lambda name: True
        if scope == "head":
            return lambda name: name.startswith(HEAD)
        raise UserError(f"--train {scope}: this backbone has no such part; use all or head")

    def first_filters(self) -> Float[Array, "kh kw c n"] | None:
        return None


def mean_over_positions(y: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    """Returns the mean over the positions of a grid, in at least float32."""
    return jnp.mean(at_least_float32(y), axis=(1, 2))
