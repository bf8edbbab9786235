"""The grid of a study: which runs there are, what each depends on, and what is left out because it is not at hand."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tljax import datasets, weights
from tljax.core import runs
from tljax.core.config import StudyConfig, TrainConfig
from tljax.core.errors import UserError
from tljax.datasets.folds import load_data, make_folds, read_fold
from tljax.datasets.leakage import refuse_shared_patients
from tljax.study.cell import Cell
from tljax.study.checks import checked, refuse_other_settings, refuse_shared_folders
from tljax.train.settings import check
from tljax.weights import networks


@dataclass(frozen=True)
class Grid:
    """Every run of a study in the order in which they are best made: fold by fold, so that comparisons come early."""

    pretrain: tuple[Cell, ...]
    cells: tuple[Cell, ...]
    left_out: Mapping[str, str]
    """What is not at hand, and how to get it."""


def make_grid(config: StudyConfig) -> Grid:
    """The runs of a study. Raises UserError for an unknown name, for other settings than before, for an empty grid."""
    config = checked(config)
    left_out = {}
    tasks = list(_at_hand(config.tasks, lambda task: _need_data(config, task), left_out))
    pretrain = {cell.config.dataset: cell for cell in _pretrainings(config)}
    wanted = _at_hand(config.inits, lambda init: _need_weights(config, init, pretrain), left_out)
    inits = [_Init.of(init, pretrain) for init in wanted]
    axes = (config.seeds, config.preprocessings, config.recipes, inits, config.freezes)
    cells = tuple(
        _cell(config, task, *values)
        for task in tasks
        for values in itertools.product(_folds(config, task, left_out), *axes)
        if not (values[-1] and networks.is_random(values[-2].spec))
    )
    if not cells:
        reasons = "".join(f"\n  {what}: {why}" for what, why in left_out.items())
        raise UserError(
            f"the grid is empty: no run is left of tasks {list(config.tasks)}, inits {list(config.inits)}{reasons}"
        )
    refuse_shared_folders(cells)
    for cell in (*pretrain.values(), *cells):
        check(cell.config)
        refuse_other_settings(cell)
    return Grid(tuple(pretrain.values()), cells, left_out)


def pick(cells: Sequence[Cell], only: str) -> list[Cell]:
    """The cells that `--only` names: of every axis that it speaks of, those it names; of the others, all.

    Raises UserError for a word that names nothing, and where no cell is left.
    """
    words = set(only.replace(",", " ").split())
    known = [set(axis) for axis in zip(*map(_words, cells), strict=True)]
    if unknown := sorted(words - set().union(*known)):
        listed = ", ".join(sorted(filter(None, set().union(*known))))
        raise UserError(f"--only: nothing in the grid is called {', '.join(unknown)}; it has {listed}")
    picked = [
        cell
        for cell in cells
        if all(word in words or not words & axis for word, axis in zip(_words(cell), known, strict=True))
    ]
    if not picked:
        raise UserError(f"--only {only!r} leaves no run: no run of the grid is all of that; see them with --dry-run")
    return picked


def _words(cell: Cell) -> tuple[str, ...]:
    c = cell.config
    freeze = "freeze" if c.freeze else "nofreeze"
    return (c.dataset, cell.label, freeze, f"fold{c.fold}", f"seed{c.seed}", c.preprocessing, cell.condition)


@dataclass(frozen=True)
class _Init:
    """An initialisation of the grid, resolved."""

    spec: str
    label: str
    source: Path | None

    @classmethod
    def of(cls, init: str, pretrain: Mapping[str, Cell]) -> "_Init":
        if init not in pretrain:
            return cls(init, networks.label(init), None)
        cell = pretrain[init]
        return cls(str(cell.folder), f"{cell.config.dataset}-{cell.label}", cell.folder)


def _cell(
    config: StudyConfig,
    task: str,
    fold: int,
    seed: int,
    preprocessing: str,
    recipe: Mapping[str, Any],
    init: _Init,
    freeze: bool,
) -> Cell:
    tags = (
        recipe.get("tag", config.train.tag),
        preprocessing if len(config.preprocessings) > 1 and preprocessing != "native" else "",
        runs.seed_tag(seed),  # a seed that is added later leaves the runs of those before it where they are
    )
    settings = dict(recipe) | dict(config.overrides.get(task, {}))
    settings |= {"dataset": task, "init": init.spec, "freeze": freeze, "fold": fold, "seed": seed, "quiet": True}
    settings |= {"preprocessing": preprocessing, "tag": "-".join(filter(None, tags)), "workdir": config.workdir}
    return Cell(dataclasses.replace(config.train, **settings), init.label, init.source)


def _pretrainings(config: StudyConfig) -> Iterator[Cell]:
    for run in config.pretrain:
        yield Cell(dataclasses.replace(run, workdir=config.workdir, quiet=True), networks.label(run.init))


def _at_hand(names: Iterable[str], need: Any, left_out: dict[str, str]) -> Iterator[str]:
    """The names of which `need` raises no _Absent; of the others the reason is noted."""
    for name in names:
        try:
            need(name)
            yield name
        except _Absent as reason:
            left_out[name] = str(reason)


class _Absent(Exception):
    """What the user has not got yet; the rest of the study can do without."""


def _settings_of(config: StudyConfig, task: str) -> TrainConfig:
    return dataclasses.replace(config.train, **config.overrides.get(task, {}))


def _folds(config: StudyConfig, task: str, left_out: dict[str, str]) -> list[int]:
    """The folds of the grid that a task has: images that bring their own train, val and test have one."""
    run = dataclasses.replace(_settings_of(config, task), dataset=task)
    if datasets.card(task).images is not None:
        return list(config.folds)
    data = load_data(run, progress=True)
    if run.folds_dir:
        made = {number: read_fold(run.folds_dir, task, data, number) for number in config.folds}
    else:
        made = dict(enumerate(make_folds(data, run.folds, group_duplicates=run.group_duplicates), start=1))
    if not run.allow_leakage:
        for number, fold in made.items():
            refuse_shared_patients(data, fold, number)
    count = max(made)
    if absent := [str(fold) for fold in config.folds if fold > count]:
        left_out[f"{task} fold {' '.join(absent)}"] = "the images bring their own train, val and test: one fold"
    return [fold for fold in config.folds if fold <= count]


def _need_data(config: StudyConfig, task: str) -> None:
    card = datasets.card(task)
    run = _settings_of(config, task)
    if not card.needs_archive or (run.data_dir and run.data_dir.exists()):
        return
    if run.data_dir:
        raise _Absent(f"no {run.data_dir}; get it from {card.source}")
    where = f"--train.data-dir, or overrides[{task!r}]['data_dir'] in the config file"
    if not card.classes:  # what was prepared before may be other images
        raise _Absent(f"say which images: set {where}")
    if not datasets.prepared(task, run.cache_dir):
        raise _Absent(f"no archive: set {where}; get it from {card.source}")


def _need_weights(config: StudyConfig, init: str, pretrain: Mapping[str, Cell]) -> None:
    if init in pretrain or networks.is_random(init):
        return
    try:
        networks.locate(init, config.train.weights_dir, download=config.train.download)
    except UserError as error:
        if weights.is_known(init):
            raise _Absent(str(error)) from None
        raise
