"""The networks of a screening: those named, or all weights there are, and random ones of each architecture."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tljax import models, weights
from tljax.core import devices
from tljax.core.cache import weights_home
from tljax.core.config import ScreenConfig
from tljax.core.errors import UserError
from tljax.weights import catalogue, networks
from tljax.weights.folder import is_whole
from tljax.weights.naming import names_of
from tljax.weights.networks import Network


@dataclass(frozen=True)
class Entry:
    """One candidate before anything of it is loaded but its card."""

    name: str
    """Told from all others."""
    spec: str
    """As `tljax train --init` takes it."""
    backbone: str
    variant: str
    identity: str
    """Of its weights: their SHA-256, or what draws them."""
    random: bool
    pretraining: float | None
    """Images that it was trained on; None where unknown."""


def find(config: ScreenConfig, called: Mapping[str, str] | None = None) -> tuple[list[Entry], dict[str, str]]:
    """The candidates, and the names of those whose weights are missing with what to do about it.

    called: names for some of `config.networks`, in the place of their own.

    Raises UserError where no candidate is left.
    """
    given = list(dict.fromkeys(config.networks or _all_weights(config.weights_dir)))
    trained, missing = [], {}
    for spec in given:
        if networks.is_random(spec):
            continue
        try:
            trained.append((spec, networks.locate(spec, config.weights_dir)))
        except UserError:
            if not weights.is_known(spec):
                raise
            missing[spec] = f"its weights are not here; get them with: tljax weights get {spec}"
    if missing and len(missing) == len(given):
        raise UserError(
            "none of these networks can be screened:" + "".join(f"\n  {n}: {w}" for n, w in missing.items())
        )
    cards = [weights.read_card(folder) for _, folder in trained]
    own = names_of([spec for spec, _ in trained], [_label(spec, config.weights_dir) for spec, _ in trained])
    names = [(called or {}).get(spec, name) for (spec, _), name in zip(trained, own, strict=True)]
    found = [
        Entry(name, spec, card.backbone, card.variant, card.sha256 or str(folder.resolve()), False, _images(folder))
        for name, (spec, folder), card in zip(names, trained, cards, strict=True)
    ]
    _refuse_same_name(found)
    random = [spec for spec in given if networks.is_random(spec)] or ["random"]
    return found + _random(random, found, config, called or {}), missing


def load(entry: Entry, config: ScreenConfig) -> Network:
    """The network of a candidate, under its name."""
    resolve = partial(networks.resolve, entry.spec, config.weights_dir, preprocessing=config.preprocessing)
    dtype = devices.compute_dtype(config.precision)
    network = resolve(backbone=entry.backbone, variant=entry.variant, dtype=dtype, seed=config.seed)
    return dataclasses.replace(network, label=entry.name)


def _all_weights(weights_dir: Path | None) -> list[str]:
    """Every whole weights folder in the weights folder."""
    home = weights_home(weights_dir)
    folders = sorted(folder for folder in home.glob("*") if is_whole(folder)) if home.is_dir() else []
    return [folder.name if weights.is_known(folder.name) else str(folder) for folder in folders]


def _label(spec: str, weights_dir: Path | None) -> str:
    """A folder of the weights folder is called as it is there, others as their card says."""
    path = Path(spec).expanduser()
    return path.name if path.parent == weights_home(weights_dir) else networks.label(spec)


def _images(folder: Path) -> float | None:
    """How many images a checkpoint was trained on, where the catalogue knows it."""
    known = catalogue.checkpoints().get(folder.name)
    return float(known.pretraining_images) if known and known.pretraining_images else None


def _random(
    specs: Sequence[str], trained: Sequence[Entry], config: ScreenConfig, called: Mapping[str, str]
) -> list[Entry]:
    """Random weights of every architecture among the others, and of the one that a study calls by this name."""
    kinds = {entry.backbone: entry.variant for entry in reversed(trained)}
    if not kinds or any(spec in called for spec in specs):
        kinds[config.backbone] = config.variant or models.default_variant(config.backbone)

    def name(spec: str, backbone: str) -> str:
        if spec in called and backbone == config.backbone:
            return called[spec]
        return spec if len(kinds) == 1 else f"{spec} ({backbone})"

    return [
        Entry(
            name(spec, backbone),
            spec,
            backbone,
            variant,
            f"{spec} {backbone} {variant} {config.seed}",
            True,
            0.0,
        )
        for backbone, variant in reversed(kinds.items())
        for spec in specs
    ]


def _refuse_same_name(found: Sequence[Entry]) -> None:
    """Raises UserError where two candidates have one name; the same weights named twice count once."""
    names = [entry.name for entry in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        places = ", ".join(entry.spec for entry in found if entry.name in twice)
        raise UserError(f"two candidates are called {', '.join(twice)} ({places}): name each once, or rename a folder")
