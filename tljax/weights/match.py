"""Describes how well a format explains a file."""

import re
from dataclasses import dataclass

from tljax.models import HEAD
from tljax.weights.formats import Format
from tljax.weights.names import Where, all_in_file


@dataclass(frozen=True)
class Match:
    """A format, and the tensors of the file that it explains."""

    format_name: str
    form: Format
    prefix: str  # before every name of the network: 'module.', 'encoder_q.', ...
    backbone: str
    variant: str  # of the file
    names: dict[str, Where]  # our name -> where this file keeps it; head.kernel and head.bias may be missing
    present: int  # how many of the file's tensors belong to the network
    missing: tuple[str, ...]  # tensors of the network that the file lacks
    has_head: bool  # whether the file has the format's own head, with several classes
    has_more: bool  # whether there are tensors that are neither the network's nor left out by the format's patterns
    is_bare: bool  # whether there is only the backbone and, if the format has one, its authors' head
    others: tuple[str, ...] = ()  # prefixes of the networks that are not read

    @property
    def fits(self) -> bool:
        """Whether the file holds at least half of the network, and no other tensors than the format allows."""
        return self.present >= max(len(self.missing), 1) and (self.is_bare or not self.form.bare)

    @property
    def rank(self) -> tuple[int, int, int]:
        """The order of matches, best last: by the number of explained tensors, by a short prefix, by requirements."""
        return (
            self.present - len(self.missing),
            -len(self.prefix),
            self.form.bare + (self.form.saved_model is not None),
        )

    @property
    def body(self) -> dict[str, Where]:
        """The names of all tensors except the head's."""
        return {ours: where for ours, where in self.names.items() if not ours.startswith(HEAD)}

    @property
    def root(self) -> str:
        """The prefix of all tensors of the network. Tensors without it belong to another part of a larger model.

        The prefix 'module.' of DataParallel does not count, because all names have it.
        """
        return self.prefix.removesuffix("module.")

    def is_aside(self, name: str) -> bool:
        """Returns whether a tensor is not part of the network according to the format's patterns."""
        return is_aside(name, self.form, self.prefix)

    def is_outside(self, name: str) -> bool:
        """Returns whether a tensor belongs to another part of a larger model that contains the network."""
        return bool(self.root) and not name.startswith(self.root)

    def is_within(self, name: str) -> bool:
        """Returns whether a tensor is in one of the network's own modules."""
        own = set(map(self._module, all_in_file(self.body)))
        return self._module(name) in own

    def _module(self, name: str) -> str:
        return re.split(r"[./]", name.removeprefix(self.prefix), maxsplit=1)[0] if name.startswith(self.prefix) else ""

    def shares_tensors(self, other: "Match") -> bool:
        """Returns whether two matches are of the same network."""
        return not all_in_file(self.names).isdisjoint(all_in_file(other.names))


def is_aside(name: str, form: Format, prefix: str = "") -> bool:
    """Returns whether a tensor is not part of the network according to the format's patterns.

    prefix: that of the network. If the prefix itself matches a pattern, the names are tested without it.
    """
    if prefix and name.startswith(prefix) and is_aside(prefix, form):
        return is_aside(name.removeprefix(prefix), form)
    return any(re.search(pattern, name) for pattern in form.aside)
