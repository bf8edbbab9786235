'''The formats of weights files: each module here is one, and declares it in `FORMAT`.

A format states the names of the tensors of one family's networks in a file, and what the tensors do not show. It does
not read files: `tljax.weights.files` reads PyTorch, safetensors and Keras files into tensors by name, and
`tljax.weights.recognise` finds the format, and the prefix of its names, only by these names. `Format` describes every
field. Another installed package can provide a format through an entry point of the group `tljax.weights.formats`.

This is a worked example, `formats/timm_toy.py`, for a transformer. Its file has separate tensors for query, key and
value, which form one kernel of ours, and a matrix of positions, to which ours adds a batch axis:

    """timm's toy transformer."""

    from tljax.models.toy import ARCHITECTURES
    from tljax.weights.formats import COUNTERS, Format, NotConvertible, count
    from tljax.weights.names import Joined, Names, Part, kernel, norm


    def identify(shapes):
        """Returns architecture and variant, by the names and shapes in the file (without prefix)."""
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

`names` returns every tensor that the network must have. A missing or an unknown tensor is refused by name, and so is
one whose shape is not the network's. A file may lack `head.kernel` and `head.bias`. The layout turns kernels:
PyTorch's are (out in h w) and (out in), ours (h w in out) and (in out). A 2-D tensor of PyTorch that is not a kernel
therefore needs a `Part` with its own axes. `tests/weight_files.py` writes a file of a format from our tensors, by the
same names, so that a test needs only random tensors and the original network's outputs.
'''

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tljax.core import plugins
from tljax.weights.names import Layout, Names, Shape

COUNTERS = r"num_batches_tracked$|^n_averaged$"  # of BatchNorm and of averaged models
CONTRASTIVE = r"project(ion|or)|proj_head"  # the heads of contrastive training: no classes
TRAINING = (  # what PyTorch training code keeps next to a network
    COUNTERS,
    r"(^|[._])(ema|swa|averaged)[._]",  # averaged weights
    r"encoder_k\.|momentum_encoder|_momentum\.|target_|teacher\.|\bqueue",  # the second network, memory
    rf"encoder_q\.fc\.|{CONTRASTIVE}|predictor|prototypes",
    r"(^|[._])(criterion|loss)(_\w+)?\.",  # weights of the classes
)

Shapes = Mapping[str, Shape]  # of a file's tensors by name


class NotConvertible(Exception):
    """Raised by `identify` for a network of the family that tljax lacks; says which it is: 'a ResNet26'."""


@dataclass(frozen=True)
class Format:
    """Describes how one type of file stores the networks of one family."""

    title: str
    """For messages and docs: 'PyTorch, torchvision names'."""
    family: str
    """A module of `tljax/models/`: 'resnet'."""
    layout: Layout
    """`torch` for PyTorch and safetensors files, `keras` for HDF5 and `.keras` files ('layer/weight')."""
    stem: tuple[str, ...]
    """Tensors of the network's first layers, by which a prefix such as 'module.' or 'backbone.' is found."""
    identify: Callable[[Shapes], tuple[str, str]]
    """shapes by name, without prefix -> (architecture, variant). Tensors that are left out are among the shapes.

    Raises NotConvertible for a network of the family that tljax lacks, and KeyError for a network of another family.
    """
    names: Callable[[str, str], Names]
    """(architecture, variant) -> where the file keeps each of our tensors, the head's among them if it has one."""
    normalisation: str
    """The input normalisation, a key of NORMALISATIONS."""
    rule: str
    """What the tensors do not show, and what is therefore assumed: printed, and recorded in the card."""
    licence: str = "not known: that of whoever made the file"
    aside: tuple[str, ...] = ()
    """Patterns of tensors that are no part of the network: of the training, a decoder, a text tower."""
    own_head: str | None = None
    """Pattern of the layers that a user puts in the head's place."""
    exclusive: bool = True
    """Whether the format's own head distinguishes classes (softmax), and not single findings (sigmoids)."""
    projects: bool = False
    """Whether an own head without bias values is a projection, as CLIP's, and gives no classes."""
    bare: bool = False
    """Whether the file must hold only the backbone and `own_head`."""
    saved_model: bool | None = None
    """True: only complete Keras models in HDF5."""
    exports: bool = False
    """Whether it is the format in which networks of the family are exported (one for each family)."""
    rename: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None
    """Tensors by name -> the file's name to the one that `names` uses, where names depend on the session (Keras)."""
    input_layers: str | None = None
    """Keras: pattern of the network's own layers before its stem, which `normalisation` stands for."""
    describe: Callable[[Any, Any], "Description"] | None = None
    """(Source, Match) -> how the file describes its layers. Raises UserError if it describes another network."""
    fit: Callable[[dict, str, "Description"], list[str]] | None = None
    """(our tensors, wanted variant, description): brings the tensors to a variant in place; returns what it did."""
    reference: Callable[[Any, Any, Any], tuple[str, dict]] | None = None
    """(Source, Conversion, images `b h w c`) -> what was run, and its activations by layer and logits: `--verify`.

    `tljax.weights.reference` makes one of a library's network.
    """
    export_note: Callable[[Any, Mapping], str] | None = None
    """(card, tensors) -> what a user of an exported file must know."""

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
    """The epsilon of the original's BatchNorm, if it differs from the variant's."""
    normalisation: str | None = None
    """The input, if the file shows another than the format implies: a key of NORMALISATIONS."""
    remarks: tuple[str, ...] = ()


def count(shapes: Shapes, pattern: str) -> int:
    r"""Returns one more than the highest number that a pattern such as r'blocks\.(\d+)\.' finds at a name's start."""
    found = (re.match(pattern, name) for name in shapes)
    return max((int(match[1]) + 1 for match in found if match), default=0)


def require(shapes: Shapes, has: str | None = None, not_has: str | None = None) -> None:
    """Raises KeyError, by which a file is another format's, unless names begin as `has` says and none as `not_has`."""
    if has and not any(re.match(has, name) for name in shapes):
        raise KeyError(has)
    if not_has and any(re.match(not_has, name) for name in shapes):
        raise KeyError(not_has)


def renaming(*changes: tuple[str, str]) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    r"""Returns a `Format.rename` that brings other names of a layer to those of the format.

    changes: patterns and what replaces them, each tried at a name's start and after every dot.
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
    """Returns every format by its name: its module's, with '-' for '_'."""
    return {name.replace("_", "-"): module.FORMAT for name, module in plugins.find(__name__, __path__).items()}


def exporting(family: str) -> tuple[str, Format]:
    """Returns name and format in which networks of a family are exported. Raises StopIteration if there is none."""
    return next((name, form) for name, form in formats().items() if form.family == family and form.exports)
