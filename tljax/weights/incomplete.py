"""Finds the network of which a file lacks few tensors, for the message on a file that no format recognises."""

from collections.abc import Iterator

from tljax import models
from tljax.models import HEAD
from tljax.weights.files import Source
from tljax.weights.formats import Format, formats
from tljax.weights.names import in_file

MOSTLY = 0.9  # share of a network's tensors; a file with fewer holds something else


def nearly_complete(source: Source) -> tuple[str, list[str]] | None:
    """Returns the family of a network of which the file lacks few tensors, and these tensors; None if there is none.

    A format recognises a network by its first kernel and a few other tensors, while this function uses all names. It
    does not return architecture and variant, because the missing tensor may be the one that shows them.
    """
    return min(_lacking(source), key=lambda found: len(found[1]), default=None)


def _lacking(source: Source) -> Iterator[tuple[str, list[str]]]:
    """Yields the family and the missing tensors of every network of which the file holds most tensors."""
    for form in formats().values():
        if form.layout != source.layout or form.saved_model not in (None, source.saved_model):
            continue
        new = form.rename(source.tensors) if form.rename else {}
        here = {new.get(name, name) for name in source.tensors}
        for prefix in sorted(_prefixes(here, form)):
            for names in _networks(form):
                missing = [prefix + name for name in names if prefix + name not in here]
                if len(missing) <= (1 - MOSTLY) * len(names):
                    yield form.family, missing


def _prefixes(names: set[str], form: Format) -> set[str]:
    """Returns the prefixes of the tensors of the first layers, or of their biases."""
    ends = {*form.stem, *(end.removesuffix("weight") + "bias" for end in form.stem if end.endswith("weight"))}
    return {name.removesuffix(end) for name in names for end in ends if name.endswith(end)}


def _networks(form: Format) -> Iterator[list[str]]:
    """Yields the tensors of each network of the format, in the family's first variant, without those of the head."""
    family = models.families()[form.family]
    for backbone in family.ARCHITECTURES:
        try:
            names = form.names(backbone, next(iter(family.VARIANTS)))
        except KeyError:  # an architecture that this format does not have
            continue
        yield [theirs for ours, where in names.items() if not ours.startswith(HEAD) for theirs in in_file(where)]
