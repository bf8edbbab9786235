"""Checks a study before it starts: finds mistakes in its config, and runs of another study in its folder."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tljax import datasets, similarity, weights
from tljax.core import runs
from tljax.core.config import INCIDENTAL, StudyConfig, TrainConfig, completed, to_json
from tljax.core.errors import UserError, did_you_mean, require_at_least
from tljax.core.typed import typed, typed_settings
from tljax.datasets.folds import load_data
from tljax.study.planned import PlannedRun
from tljax.train.settings import resolve
from tljax.weights import networks

SHORTLIST = "shortlist"  # as the only value of `inits`: the networks that the screening of each task selects
_OF_THE_GRID = {
    **{"dataset": "tasks", "init": "inits", "freeze": "freezes", "fold": "folds", "seed": "seeds"},
    **{"preprocessing": "preprocessings", "workdir": "workdir"},
}
_SETTINGS = [field.name for field in dataclasses.fields(TrainConfig)]


def checked(config: StudyConfig) -> StudyConfig:
    """Returns the config with every value converted to its type. Raises UserError for a wrong name or value."""
    config = typed(config)
    if SHORTLIST in config.inits and (len(config.inits) > 1 or config.pretrain):
        raise UserError(
            f"inits: {SHORTLIST} cannot be combined with other values or with pretrain, as it screens existing weights"
        )
    for axis in ("tasks", "inits", "freezes", "folds", "seeds", "preprocessings", "recipes"):
        values = getattr(config, axis)
        if not values:
            raise UserError(f"the grid is empty: {axis} is ()")
        if any(values.count(value) > 1 for value in values):
            raise UserError(f"{axis} has a value twice: {values}; state each value once")
    for fold in config.folds:
        if not 1 <= fold <= 5:
            raise UserError(f"folds: there is no fold {fold}; folds are 1..5")
    for name, axis in _OF_THE_GRID.items():
        if getattr(config.train, name) != getattr(TrainConfig(), name):
            raise UserError(f"train.{name} is set by the grid; set {axis} instead")
    if config.per_device != "auto":
        require_at_least(1, config, "per_device")
    require_at_least(1, config.slurm, "pack", "minutes", "parallel")
    similarity.named(config.measures)
    for task in config.overrides:
        datasets.card(task)
    return dataclasses.replace(
        config,
        overrides={task: _checked(f"overrides[{task!r}]", settings) for task, settings in config.overrides.items()},
        recipes=tuple(_checked(f"recipes[{number}]", recipe) for number, recipe in enumerate(config.recipes)),
    )


def _checked(place: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    for name in settings:
        if name in (*_OF_THE_GRID, "quiet"):
            raise UserError(f"{place}: {name} is an axis of the grid; set it there")
        if name not in _SETTINGS:
            raise UserError(f"{place}: there is no setting {name!r}{did_you_mean(name, _SETTINGS)}")
    return typed_settings(TrainConfig, settings, f"{place}: ")


def refuse_shared_folders(planned: Sequence[PlannedRun]) -> None:
    """Raises UserError if two runs would share a folder."""
    first: dict[Path, PlannedRun] = {}
    for run in planned:
        other = first.setdefault(run.folder, run)
        if other is run:
            continue
        one, two = other.config.init, run.config.init
        if one != two:
            raise UserError(
                f"{one} and {two} have the same name in their card.json, {run.label}; change the name in one of them"
            )
        raise UserError(f"two runs of the grid would share {run.folder}; give each recipe its own tag")


def refuse_other_settings(planned: Iterable[PlannedRun]) -> None:
    """Raises UserError if a run on disk was not trained with the settings, weights and images of the planned one."""
    weights_of, images_of = cache(_weights_of), cache(_images_of)
    for run in planned:
        path, config = run.folder / runs.CONFIG, run.config
        if run.status == "corrupt" or not path.exists():
            continue
        facts = runs.read_json(path)
        old = runs.with_present_names(completed(facts.get("config", {})))
        differing = [
            f"{key.replace('_', ' ')} was {old[key]}, is now {value}"
            for key, value in _resolved(config, str(facts.get("devices", ""))).items()
            if key not in (*INCIDENTAL, "init") and old[key] != value
        ]
        hashes = {
            "weights": (config.init, "" if run.source else weights_of(config.init, config.weights_dir)),
            "data": (config.data_dir, images_of(data_settings(config))),
        }
        for what, (place, now) in hashes.items():
            before = facts.get("must_match", {}).get(what)
            if now and before is not None and before != now:
                differing.append(f"the {what} of {place} had the hash {before[:12]}…, now {now[:12]}…")
        if differing:
            raise UserError(
                f"{run.folder} holds a run with other settings ({'; '.join(differing)}); use another --workdir"
            )


def _resolved(config: TrainConfig, devices: str) -> dict[str, Any]:
    """Returns the settings as a run records them, with the defaults of its task and of the devices that trained it.

    The recorded devices are used because this process may have others, and because a query would reserve a GPU that the
    workers need.
    """
    on_cpu = devices.partition(" x ")[2].startswith("cpu")
    precision = config.precision or ("float32" if on_cpu else "bfloat16")
    card = datasets.card(config.dataset)
    return to_json(resolve(dataclasses.replace(config, precision=precision), card))


def _weights_of(init: str, weights_dir: Path | None) -> str:
    """Returns the hash of an initialisation; empty if it is random or missing."""
    if networks.is_random(init):
        return ""
    try:
        return weights.read_card(networks.locate(init, weights_dir)).sha256
    except UserError:
        return ""


def settings_of_task(config: StudyConfig, task: str) -> TrainConfig:
    """Returns the settings of all runs of a task, without those of the grid's axes and recipes."""
    return dataclasses.replace(config.train, **config.overrides.get(task, {}))


def data_settings(config: TrainConfig) -> TrainConfig:
    """Returns a config with only those settings that decide which images a run has."""
    names = ("dataset", "data_dir", "cache_dir", "image_size", "skip_bad")
    return TrainConfig(**{name: getattr(config, name) for name in names})


def _images_of(config: TrainConfig) -> str:
    """Returns the fingerprint of a user's own images; empty for a published data set, which is always the same."""
    return "" if datasets.card(config.dataset).classes else load_data(config).fingerprint
