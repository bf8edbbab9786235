'''Declares the formats of weights files: each module of this package declares one, in `FORMAT`.

A format states how a file names the tensors of one family of networks, and what the tensors do not show. A format does
not read files. `tljax.weights.files` reads PyTorch, safetensors and Keras files into tensors by name, and
`tljax.weights.recognise` finds the format and the prefix of the names, by these names alone. The class `Format`
describes every field. Another installed package can provide a format through an entry point of the group
`tljax.weights.formats`.

This is a worked example, `formats/timm_toy.py`, for a transformer. Its file has separate tensors for query, key and
value, which are joined to one kernel in tljax. Its position embeddings are a matrix, to which tljax adds a batch axis:

    """timm's toy transformer."""

    from tljax.models.toy import ARCHITECTURES
    from tljax.weights.formats import COUNTERS, Format, NotConvertible, count
    from tljax.weights.names import Joined, Names, Part, kernel, norm


    def identify(shapes):
        """Returns architecture and variant. shapes: those in the file, by name without the prefix."""
        depth, width = count(shapes, r"blocks\\.(\\d+)\\."), shapes["patch_embed.proj.weight"][0]
        for name, size in ARCHITECTURES.items():
            if (size.depth, size.width) == (depth, width):
                return name, "timm_scale" if "blocks.0.ls1.gamma" in shapes else "timm"
        raise NotConvertible(f"a toy transformer of {depth} blocks and width {width}")


    def names(architecture, variant) -> Names:
        """Returns where the file keeps each of our tensors."""
        size = ARCHITECTURES[architecture]
        found = kernel("torch", "patch", "patch_embed.proj")
        found["position"] = Part("pos_embed", axes=(0, 1), shape=(size.tokens, size.width))  # ours is 1 n c
        for block in range(size.depth):
            ours, theirs = f"blocks.{block}", f"blocks.{block}"
            found |= norm("torch", f"{ours}.norm", f"{theirs}.norm1", statistics=False)
            found[f"{ours}.qkv.kernel"] = Joined(tuple(f"{theirs}.attn.{part}.weight" for part in ("q", "k", "v")))
            # keys without a bias: Part(None) is zero everywhere
            found[f"{ours}.qkv.bias"] = Joined((f"{theirs}.attn.q.bias", Part(None), f"{theirs}.attn.v.bias"))
            if variant == "timm_scale":
                found[f"{ours}.scale"] = f"{theirs}.ls1.gamma"
        return found | kernel("torch", "head", "head")


    FORMAT = Format(
        title="timm, toy transformer",
        family="toy",
        layout="torch",
        stem=("patch_embed.proj.weight", "patch_embed.proj.bias"),
        identify=identify,
        names=names,
        normalisation="imagenet",
        rule="timm's names: GELU exact, LayerNorm's epsilon 1e-6, input as ImageNet's (RGB / 255, mean and std)",
        aside=(COUNTERS, r"^mask_token$"),
        exports=True,
    )

`names` returns every tensor that the network must have. A file with a missing tensor, an unknown tensor or a tensor of
another shape is refused, and the message names the tensor. Only `head.kernel` and `head.bias` may be missing. The
layout says how the axes of kernels are permuted: PyTorch has (out in h w) and (out in), tljax (h w in out) and (in
out). A 2-D tensor of PyTorch that is not a kernel therefore needs a `Part` with its own axes. `tests/weight_files.py`
writes a file of a format from our tensors, by the same names, so that a test needs only random tensors and the outputs
of the original network.
'''

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tljax.core import plugins
from tljax.weights.names import Layout, Names, Shape

COUNTERS = r"num_batches_tracked$|^n_averaged$"  # step counters of BatchNorm and of averaged models
CONTRASTIVE = r"project(ion|or)|proj_head"  # heads of contrastive training, which give no classes
TRAINING = (  # tensors that PyTorch training code saves next to a network
    COUNTERS,
    r"(^|[._])(ema|swa|averaged)[._]",  # averaged weights
    r"encoder_k\.|momentum_encoder|_momentum\.|target_|teacher\.|\bqueue",  # the second network, and memory banks
    rf"encoder_q\.fc\.|{CONTRASTIVE}|predictor|prototypes",
    r"(^|[._])(criterion|loss)(_\w+)?\.",  # class weights of the loss
)

Shapes = Mapping[str, Shape]  # the shapes of a file's tensors, by name


class NotConvertible(Exception):
    """Raised by `identify` for a network of the family that tljax lacks; the message names it: 'a ResNet26'."""


@dataclass(frozen=True)
class Format:
    """Describes how one type of file stores the networks of one family."""

    title: str
    """The name in messages and docs: 'PyTorch, torchvision names'."""
    family: str
    """The name of a module of `tljax/models/`: 'resnet'."""
    layout: Layout
    """`torch` for PyTorch and safetensors files, `keras` for HDF5 and `.keras` files ('layer/weight')."""
    stem: tuple[str, ...]
    """Tensors of the network's first layers, which show whether names have a prefix, such as 'module.'."""
    identify: Callable[[Shapes], tuple[str, str]]
    """Takes the shapes by name, without the prefix, and returns (architecture, variant).

    The shapes include those of tensors that are left out. Raises NotConvertible for a network of the family that tljax
    lacks, and KeyError for a network of another family.
    """
    names: Callable[[str, str], Names]
    """Takes (architecture, variant) and returns where the file keeps each of our tensors, including those of a head."""
    normalisation: str
    """The input normalisation: a key of NORMALISATIONS."""
    rule: str
    """What is assumed because the tensors do not show it. The text is printed, and recorded in the card."""
    licence: str = "not known: that of whoever made the file"
    aside: tuple[str, ...] = ()
    """Patterns of tensors that are not part of the network: of the training, of a decoder, of a text encoder."""
    own_head: str | None = None
    """Pattern of the layers by which users replace the head."""
    exclusive: bool = True
    """Whether the outputs of the format's own head exclude each other (softmax), unlike findings (sigmoids)."""
    projects: bool = False
    """Whether the format's own head, if its bias is zero, is a projection as in CLIP and not a classifier."""
    bare: bool = False
    """Whether the file must hold only the backbone and `own_head`."""
    saved_model: bool | None = None
    """True: the format has only complete Keras models in HDF5."""
    exports: bool = False
    """Whether networks of the family are exported in this format (one format per family)."""
    rename: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None
    """Takes the tensors by name. Returns the file's name -> the name in `names`, for tensors where the two differ."""
    input_layers: str | None = None
    """Keras: pattern of the layers before the stem that compute what `normalisation` states."""
    describe: Callable[[Any, Any], "Description"] | None = None
    """Takes (Source, Match) and returns how the file describes its layers.

    Raises UserError if it describes another network.
    """
    fit: Callable[[dict, str, "Description"], list[str]] | None = None
    """Takes (our tensors, wanted variant, description), and changes the tensors in place to fit the variant.

    What the network computes does not change. Returns in words what it did.
    """
    reference: Callable[[Any, Any, Any], tuple[str, dict]] | None = None
    """Takes (Source, Conversion, images `b h w c`), runs the original network for `--verify`, and returns its name and
    its activations by layer, including logits. `tljax.weights.reference` has functions that build one.
    """
    export_note: Callable[[Any, Mapping], str] | None = None
    """Takes (card, tensors) and returns what a user of an exported file must know."""

    def is_own_head(self, name: str) -> bool:
        """Returns whether a tensor belongs to a head that a user added."""
        return self.own_head is not None and re.search(self.own_head, name) is not None


@dataclass(frozen=True)
class Description:
    """How a file describes its layers."""

    variant: str | None = None
    """The variant of the layers; None if the file does not describe them."""
    compatible: tuple[str, ...] = ()
    """The variants that compute what the file describes; empty if it does not describe its layers."""
    epsilon: float | None = None
    """The epsilon of the original network's BatchNorm, if it differs from the variant's."""
    normalisation: str | None = None
    """The input, if the file shows another than the format implies: a key of NORMALISATIONS."""
    remarks: tuple[str, ...] = ()


def count(shapes: Shapes, pattern: str) -> int:
    r"""Returns how many numbered modules there are: one more than the highest number.

    pattern: matches the start of a name and has one group for the number, such as r'blocks\.(\d+)\.'.
    """
    found = (re.match(pattern, name) for name in shapes)
    return max((int(match[1]) + 1 for match in found if match), default=0)


def require(shapes: Shapes, has: str | None = None, not_has: str | None = None) -> None:
    """Raises KeyError, which means that the file has another format, unless some name matches `has` and none `not_has`.

    has, not_has: patterns that are matched at the start of names.
    """
    if has and not any(re.match(has, name) for name in shapes):
        raise KeyError(has)
    if not_has and any(re.match(not_has, name) for name in shapes):
        raise KeyError(not_has)


def renaming(*changes: tuple[str, str]) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    r"""Returns a `Format.rename` that replaces other names of a layer by those of the format.

    changes: patterns and their replacements. Each pattern is tried at the start of a name and after every dot.
    """

    def rename(tensors: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        for name in tensors:
            canonical = name
            for pattern, replacement in changes:
                canonical = re.sub(rf"(?<![^.]){pattern}", replacement, canonical)
            if canonical != name:
                found[name] = canonical
        return found

    return rename


def formats() -> dict[str, Format]:
    """Returns every format by its name, which is the name of its module with '-' for '_'."""
    return {name.replace("_", "-"): module.FORMAT for name, module in plugins.find(__name__, __path__).items()}


def exporting(family: str) -> Format | None:
    """Returns the format in which a family is exported; None if there is none."""
    return next((form for form in formats().values() if form.family == family and form.exports), None)
