"""Mistakes in the config of a study, and runs of another study in its place: found before anything is run."""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from tljax import datasets, similarity, weights
from tljax.core import runs
from tljax.core.config import INCIDENTAL, StudyConfig, TrainConfig, completed, to_json
from tljax.core.errors import UserError
from tljax.core.typed import typed, typed_settings
from tljax.datasets.folds import load_data
from tljax.study.cell import Cell
from tljax.train.settings import resolve
from tljax.weights import networks

_OF_THE_GRID = {
    **{"dataset": "tasks", "init": "inits", "freeze": "freezes", "fold": "folds", "seed": "seeds"},
    **{"preprocessing": "preprocessings", "workdir": "workdir"},
}
_SETTINGS = [field.name for field in dataclasses.fields(TrainConfig)]


def checked(config: StudyConfig) -> StudyConfig:
    """The config with every value of its type. Raises UserError for a name or a value that is wrong in itself."""
    config = typed(config)
    for axis in ("tasks", "inits", "freezes", "folds", "seeds", "preprocessings", "recipes"):
        values = getattr(config, axis)
        if not values:
            raise UserError(f"the grid is empty: {axis} is ()")
        if any(values.count(value) > 1 for value in values):
            raise UserError(f"{axis} names something twice: {values}")
    for fold in config.folds:
        if not 1 <= fold <= 5:
            raise UserError(f"folds: there is no fold {fold}; there are 1..5")
    for name, axis in _OF_THE_GRID.items():
        if getattr(config.train, name) != getattr(TrainConfig(), name):
            raise UserError(f"train.{name}: the grid decides it; set {axis} instead")
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
            near = difflib.get_close_matches(name, _SETTINGS, 1)
            raise UserError(f"{place}: there is no setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return typed_settings(TrainConfig, settings, f"{place}: ")


def refuse_shared_folders(cells: Sequence[Cell]) -> None:
    """Raises UserError where two runs would lie in one place."""
    there: dict[Any, Cell] = {}
    for cell in cells:
        other = there.setdefault(cell.folder, cell)
        if other is cell:
            continue
        one, two = other.config.init, cell.config.init
        if one != two:
            raise UserError(
                f"{one} and {two} both go by the name {cell.label}, which is that of their card.json; "
                "change it in one of them"
            )
        raise UserError(f"two runs of the grid would share {cell.folder}; give each recipe a tag of its own")


def refuse_other_settings(cell: Cell) -> None:
    """Raises UserError where a run that lies there already is not the one that the grid means."""
    path = cell.folder / runs.CONFIG
    if cell.status == "corrupt" or not path.exists():
        return
    facts = runs.read_json(path)
    old = runs.with_present_names(completed(facts.get("config", {})))
    differing = [
        f"{key.replace('_', ' ')} was {old[key]}, is now {value}"
        for key, value in _resolved(cell.config, str(facts.get("devices", ""))).items()
        if key not in (*INCIDENTAL, "init") and old[key] != value
    ]
    hashes = {"weights": (cell.config.init, _weights_of(cell)), "data": (cell.config.data_dir, _images_of(cell.config))}
    for what, (place, now) in hashes.items():
        before = facts.get("must_match", {}).get(what)
        if now and before is not None and before != now:
            differing.append(f"the {what} of {place} were {before[:12]}…, are now {now[:12]}…")
    if differing:
        raise UserError(
            f"{cell.folder} holds a run of other settings ({'; '.join(differing)}); give the study another --workdir"
        )


def _resolved(config: TrainConfig, devices: str) -> dict[str, Any]:
    """The settings as a run records them, with the defaults of its task and of the devices that it was trained on.

    Not of this process, whose devices need not be those, and which must not take a GPU from the workers.
    """
    on_cpu = devices.partition(" x ")[2].startswith("cpu")
    precision = config.precision or ("float32" if on_cpu else "bfloat16")
    card = datasets.card(config.dataset)
    return to_json(resolve(dataclasses.replace(config, precision=precision), card))


def _weights_of(cell: Cell) -> str:
    """The hash of the weights that it starts from; nothing where they are random, not at hand, or of this study."""
    if cell.source or networks.is_random(cell.config.init):
        return ""
    try:
        return weights.read_card(networks.locate(cell.config.init, cell.config.weights_dir)).sha256
    except UserError:
        return ""


def _images_of(config: TrainConfig) -> str:
    """The fingerprint of images of one's own, which any folder may hold; nothing for a published set."""
    return "" if datasets.card(config.dataset).classes else load_data(config).fingerprint
