"""Names networks in tables. A run is named by its folder, because the cards of similar runs have the same name."""

from collections.abc import Sequence
from pathlib import Path

from tljax import weights
from tljax.core.runs import CONFIG
from tljax.weights import networks


def place_of(spec: str) -> str:
    """Returns the folder of a network; empty for a network that has a name."""
    return "" if weights.is_known(spec) or networks.is_random(spec) else str(Path(spec).expanduser().resolve())


def names_of(specs: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Returns a name for each network: its label, or `<dataset>-<init>-<freeze|nofreeze>[-<tag>]/fold<k>` of a run.

    Outer folders are added only where they are needed to distinguish two places.
    """
    places = [place_of(spec) for spec in specs]
    short = [_short(place, label) for place, label in zip(places, labels, strict=True)]
    depth = [0] * len(specs)
    names = [base for base, _ in short]
    while clashing := [
        k for k, name in enumerate(names) if _clashes(k, name, names, places) and depth[k] < len(short[k][1])
    ]:
        for k in clashing:
            depth[k] += 1
            base, outer = short[k]
            names[k] = "/".join([*outer[-depth[k] :], base])
    return names


def _clashes(position: int, name: str, names: Sequence[str], places: Sequence[str]) -> bool:
    return any(other == name and place != places[position] for other, place in zip(names, places, strict=True))


def _short(place: str, label: str) -> tuple[str, tuple[str, ...]]:
    """Returns the shortest name, and the folders that may be added before it."""
    parts = Path(place).parts[1:] if place else ()
    if place and (Path(place) / CONFIG).is_file() and len(parts) > 2:
        *outer, dataset, variant, fold = parts
        return f"{dataset}-{variant}/{fold}", tuple(outer)
    return label, parts
