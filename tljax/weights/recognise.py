"""Recognises the format of a file, and the network in it, by the names and shapes of its tensors."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tljax.core.errors import UserError
from tljax.models import HEAD
from tljax.weights.files import Source
from tljax.weights.formats import COUNTERS, Format, NotConvertible, formats
from tljax.weights.incomplete import nearly_complete
from tljax.weights.match import Match, is_aside
from tljax.weights.names import all_in_file, in_file, renamed, some
from tljax.weights.unsupported import kind_of, unsupported


def recognise(source: Source) -> Match:
    """Returns the format that explains the file, and the network in it.

    Raises UserError if no format explains it, or if it holds a network that tljax lacks, or two networks of one format.
    """
    candidates = list(_candidates(source))
    matches = [match for match in candidates if isinstance(match, Match) and match.fits]
    if not matches:
        raise UserError(_refusal(source, candidates))
    wanted = [match for match in matches if not is_aside(match.prefix, match.form)] or matches
    best = max(wanted, key=lambda match: match.rank)
    for other in wanted:
        if other.form is best.form and 2 * other.present > best.present and not other.shares_tensors(best):
            raise UserError(
                f"{source.path} holds two networks, under '{best.prefix}' and '{other.prefix}'; save only the one that "
                "you want"
            )
    others = (match.prefix for match in matches if match.form is best.form and not match.shares_tensors(best))
    return replace(best, others=tuple(sorted(others)))


def _refusal(source: Source, candidates: list[Match | NotConvertible]) -> str:
    unknown = next((other for other in candidates if isinstance(other, NotConvertible)), None)
    if unknown:
        return f"{source.path} holds {unknown}"
    if (lacked := unsupported(source.tensors)) is None and (short := nearly_complete(source)):
        family, missing = short
        return f"{source.path} holds most of a network of the family {family}, but lacks {some(missing)}"
    nearest = max((match for match in candidates if isinstance(match, Match)), key=lambda m: m.present, default=None)
    if lacked is None and nearest and nearest.present > 1:
        return (
            f"{source.path} holds {nearest.present} tensors of {nearest.backbone} ({nearest.form.title}), but lacks "
            f"{len(nearest.missing)} others: {some(nearest.missing)}"
        )
    kind = lacked or kind_of(source.tensors)
    known = ", ".join(sorted({form.family for form in formats().values()}))
    return (
        f"{source.path} holds no network that can be converted{f', but {kind}' if kind else ''}, according to its "
        f"tensors' names: {some(source.tensors) or 'none'}. tljax has the families {known}"
    )


def _candidates(source: Source) -> Iterator[Match | NotConvertible]:
    """Yields every format whose first layers are in the file, at every prefix where they occur."""
    for name, form in formats().items():
        if form.layout != source.layout or form.saved_model not in (None, source.saved_model):
            continue
        new = form.rename(source.tensors) if form.rename else {}
        shapes = {new.get(tensor, tensor): values.shape for tensor, values in source.tensors.items()}
        old = {canonical: theirs for theirs, canonical in new.items()}
        for prefix in _prefixes(shapes, form):
            try:
                yield _match(source, name, form, prefix, shapes, old)
            except NotConvertible as unknown:
                yield unknown
            except KeyError:  # it lacks a tensor that `identify` needs
                continue


def _prefixes(shapes: Mapping[str, tuple[int, ...]], form: Format) -> list[str]:
    """Returns the prefixes of the first layers' names."""
    found = {name.removesuffix(end) for name in shapes for end in form.stem if name.endswith(end)}
    return sorted(name for name in found if name == "" or name.endswith((".", "/")))


def _match(
    source: Source,
    name: str,
    form: Format,
    prefix: str,
    shapes: Mapping[str, tuple[int, ...]],
    old: Mapping[str, str],
) -> Match:
    """Matches a format; `old` maps names after `form.rename` to the file's. Raises NotConvertible or KeyError."""
    inner = {tensor.removeprefix(prefix): shape for tensor, shape in shapes.items() if tensor.startswith(prefix)}
    backbone, variant = form.identify(inner)
    names = renamed(form.names(backbone, variant), lambda theirs: old.get(prefix + theirs, prefix + theirs))
    head = {ours: where for ours, where in names.items() if ours.startswith(HEAD)}
    wanted = all_in_file({ours: where for ours, where in names.items() if ours not in head})
    here = {theirs for theirs in wanted if theirs in source.tensors and not is_aside(theirs, form, prefix)}
    of_head = all_in_file(head)
    has_head = bool(head) and all(theirs in source.tensors for theirs in of_head) and _classes(source, head) > 1
    rest = set(source.tensors) - here - (of_head if has_head else set())
    return Match(
        format_name=name,
        form=form,
        prefix=prefix,
        backbone=backbone,
        variant=variant,
        names=names,
        present=len(here) + (len(of_head) if has_head else 0),
        missing=tuple(theirs for where in names.values() for theirs in in_file(where) if theirs in wanted - here),
        has_head=has_head,
        has_more=not all(is_aside(theirs, form, prefix) for theirs in rest),
        is_bare=not has_head and all(form.is_own_head(theirs) or re.search(COUNTERS, theirs) for theirs in rest),
    )


def _classes(source: Source, head: Mapping) -> int:
    return source.tensors[in_file(head[f"{HEAD}bias"])[0]].size
