"""Which format a file is in, and which network it holds: told by the names of its tensors."""

import re
from dataclasses import dataclass, replace

from tljax.core.errors import UserError
from tljax.models import HEAD
from tljax.models.resnet import ARCHITECTURES
from tljax.weights.files import Source
from tljax.weights.formats import COUNTERS, Format, formats
from tljax.weights.names import is_conv_bias, some

BASIC_BLOCKS = {(2, 2, 2, 2): "ResNet18", (3, 4, 6, 3): "ResNet34"}  # blocks a stage, two convolutions a block
OTHERS = {  # part of a tensor's name -> the network that has it
    "preact_bn": "a ResNet of the second version (V2), whose blocks begin with BatchNorm",
    "patch_embed": "a vision transformer",
    "class_token": "a vision transformer",
    "depthwise": "a network of depthwise convolutions",
    "denselayer": "a DenseNet",
}
BOTTLENECKS = {(3, 4, 23, 3): "ResNet101", (3, 8, 36, 3): "ResNet152"}


@dataclass(frozen=True)
class Match:
    """A format and what of it is in a file."""

    format_name: str
    form: Format
    prefix: str  # before every name of the network: 'module.', 'encoder_q.', ...
    blocks: tuple[int, ...]  # a stage, as far as the file's names reach
    names: dict[str, str]  # our name -> the format's, of all tensors that such a network may have
    present: int  # how many of them are in the file
    has_biases: bool  # whether most convolutions carry one
    has_head: bool  # the format's own, of several classes
    has_more: bool  # tensors that are neither the network's nor of its training
    is_bare: bool  # nothing but the backbone and, where a format has one, the head by its authors
    others: tuple[str, ...] = ()  # prefixes of the networks that are kept aside

    @property
    def fits(self) -> bool:
        return any(self.blocks) and self.has_biases == self.form.biases and self.is_bare >= self.form.bare

    @property
    def rank(self) -> tuple[int, int, int]:
        """The format that explains most tensors wins; of equals, the one whose own names reach furthest to the front,
        and then the one that asks for most.
        """
        return self.present, -len(self.prefix), self.form.bare + (self.form.saved_model is not None)

    @property
    def root(self) -> str:
        """The prefix of all that is the network's; what lies beside it is another part of a larger model.

        DataParallel's 'module.' is before everything, and tells nothing.
        """
        return self.prefix.removesuffix("module.")

    def is_aside(self, name: str) -> bool:
        return is_aside(name, self.form, self.prefix)

    def is_beside(self, name: str) -> bool:
        """Whether a tensor belongs to another part of the model that the network is in."""
        return bool(self.root) and not name.startswith(self.root)

    def is_within(self, name: str) -> bool:
        """Whether a tensor lies in one of the network's own modules."""
        return self._module(name) in {self._module(theirs) for ours, theirs in self.names.items() if HEAD not in ours}

    def _module(self, name: str) -> str:
        return re.split(r"[./]", name.removeprefix(self.prefix), maxsplit=1)[0] if name.startswith(self.prefix) else ""

    def is_part_of(self, model: "Match") -> bool:
        return not set(self.names.values()).isdisjoint(model.names.values())


def recognise(source: Source) -> Match:
    """Raises UserError where no format explains the file, or where it holds another ResNet than ours."""
    matches = [
        match
        for name, form in formats().items()
        if form.names.layout == source.layout and form.saved_model in (None, source.saved_model)
        for prefix in _prefixes(source, form)
        if (match := _match(source, name, form, prefix)).fits
    ]
    if not matches:
        other = next((f"but {kind}, " for part, kind in OTHERS.items() if any(part in n for n in source.tensors)), "")
        known = "; ".join(form.title for form in formats().values())
        raise UserError(
            f"{source.path} holds no ResNet50, {other}by the names of its tensors, {some(source.tensors) or 'none'}; "
            f"known are those of {known}"
        )
    wanted = [match for match in matches if not is_aside(match.prefix, match.form)] or matches
    best = max(wanted, key=lambda match: match.rank)
    for other in wanted:
        if other.form is best.form and 2 * other.present > best.present and not other.is_part_of(best):
            raise UserError(
                f"{source.path} holds two networks, under '{best.prefix}' and '{other.prefix}'; save the one that you "
                "want alone"
            )
    others = (match.prefix for match in matches if match.form is best.form and not match.is_part_of(best))
    return replace(best, others=tuple(sorted(others)))


def backbone_of(match: Match, source: Source) -> str:
    """The backbone with as many blocks. Raises UserError that names what the file holds instead."""
    if any(theirs in source.tensors for ours, theirs in match.names.items() if ours.endswith("conv3.kernel")):
        for backbone, architecture in ARCHITECTURES.items():
            if architecture.blocks == match.blocks:
                return backbone
        held = BOTTLENECKS.get(match.blocks, f"a ResNet of {match.blocks} bottleneck blocks")
    else:
        held = BASIC_BLOCKS.get(match.blocks, f"a ResNet of {match.blocks} basic blocks")
    raise UserError(f"{source.path} holds {held}; what can be converted is {', '.join(ARCHITECTURES)}")


def is_aside(name: str, form: Format, prefix: str = "") -> bool:
    """Whether a tensor belonged to the training, not to the network.

    prefix: of the network; one that sounds like training is that of the only network there is.
    """
    if prefix and name.startswith(prefix) and is_aside(prefix, form):
        return is_aside(name.removeprefix(prefix), form)
    return any(re.search(pattern, name) for pattern in form.aside)


def _prefixes(source: Source, form: Format) -> list[str]:
    """What stands before a name of the first layers."""
    stem = form.names.stem().values()
    found = {name.removesuffix(end) for name in source.tensors for end in stem if name.endswith(end)}
    return sorted(name for name in found if name == "" or name.endswith((".", "/")))


def _match(source: Source, name: str, form: Format, prefix: str) -> Match:
    blocks = form.names.count_blocks(source.tensors, prefix)
    names = form.names.tensors(blocks, prefix)
    here = {ours for ours, theirs in names.items() if theirs in source.tensors and not is_aside(theirs, form, prefix)}
    head = {f"{HEAD}kernel", f"{HEAD}bias"}
    has_head = head <= here and source.tensors[names[f"{HEAD}bias"]].size > 1
    here -= set() if has_head else head
    rest = set(source.tensors).difference(names[ours] for ours in here)
    more = [theirs for theirs in rest if not is_aside(theirs, form, prefix)]
    biases = [ours in here for ours in names if is_conv_bias(ours)]
    return Match(
        format_name=name,
        form=form,
        prefix=prefix,
        blocks=blocks,
        names=names,
        present=len(here),
        has_biases=2 * sum(biases) > len(biases),
        has_head=has_head,
        has_more=bool(more),
        is_bare=not has_head and all(form.is_own_head(theirs) or re.search(COUNTERS, theirs) for theirs in rest),
    )
