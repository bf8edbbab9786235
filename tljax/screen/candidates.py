"""Lists the networks of a screening: the named ones, or all weights on this machine, and random ones."""

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
from tljax.weights.labels import names_of
from tljax.weights.networks import Network


@dataclass(frozen=True)
class Entry:
    """One candidate, of which only the card has been read."""

    name: str
    """A name that no other candidate has."""
    spec: str
    """The value for `tljax train --init`."""
    backbone: str
    variant: str
    identity: str
    """What identifies its weights: their SHA-256, or the settings from which they are drawn."""
    random: bool
    pretraining: float | None
    """Number of images that it was trained on; None if unknown."""


def find(config: ScreenConfig, called: Mapping[str, str] | None = None) -> tuple[list[Entry], dict[str, str]]:
    """Returns the candidates, and for each network whose weights are missing, what to do about it.

    called: other names for some of `config.networks`. Raises UserError if the weights of every named network are
    missing, or if two candidates have one name.
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
            missing[spec] = f"its weights are not on this machine; get them with: tljax weights get {spec}"
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
    random = [spec for spec in given if networks.is_random(spec)] or ["random"]
    found += _random(random, found, config, called or {})
    _refuse_same_name(found)
    return found, missing


def load(entry: Entry, config: ScreenConfig) -> Network:
    """Returns the network of a candidate, labelled with its name."""
    resolve = partial(networks.resolve, entry.spec, config.weights_dir, preprocessing=config.preprocessing)
    dtype = devices.compute_dtype(config.precision)
    network = resolve(backbone=entry.backbone, variant=entry.variant, dtype=dtype, seed=config.seed)
    return dataclasses.replace(network, label=entry.name)


def _all_weights(weights_dir: Path | None) -> list[str]:
    """Returns every complete weights folder in `weights_dir`, by name if it is a known checkpoint."""
    home = weights_home(weights_dir)
    folders = sorted(folder for folder in home.glob("*") if is_whole(folder)) if home.is_dir() else []
    return [folder.name if weights.is_known(folder.name) else str(folder) for folder in folders]


def _label(spec: str, weights_dir: Path | None) -> str:
    """Returns the name of a folder in `weights_dir`; for others, the name in their card."""
    path = Path(spec).expanduser()
    return path.name if path.parent == weights_home(weights_dir) else networks.label(spec)


def _images(folder: Path) -> float | None:
    """Returns the number of images that a checkpoint was trained on; None if the catalogue does not state it."""
    known = catalogue.checkpoints().get(folder.name)
    return float(known.pretraining_images) if known and known.pretraining_images else None


def _random(
    specs: Sequence[str], trained: Sequence[Entry], config: ScreenConfig, called: Mapping[str, str]
) -> list[Entry]:
    """Returns random networks of every architecture of the others, and of the one that a study calls by this name."""
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
    """Raises UserError if two candidates have one name."""
    names = [entry.name for entry in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        places = ", ".join(entry.spec for entry in found if entry.name in twice)
        raise UserError(f"two candidates are called {', '.join(twice)} ({places}); name each once, or rename a folder")
