"""Builds the grid of a study: its runs, their dependencies, and what is left out because something is missing."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tljax import datasets, weights
from tljax.core import runs
from tljax.core.config import StudyConfig
from tljax.core.errors import UserError
from tljax.datasets.cache_folders import source_hint
from tljax.datasets.folds import load_data, make_folds, read_fold
from tljax.datasets.leakage import refuse_shared_patients
from tljax.study.checks import SHORTLIST, checked, refuse_other_settings, refuse_shared_folders, settings_of_task
from tljax.study.planned import PlannedRun
from tljax.study.shortlist import shortlisted
from tljax.train.settings import check
from tljax.weights import networks


@dataclass(frozen=True)
class Grid:
    """Every run of a study, ordered by fold, so that comparisons can start early."""

    pretrain: tuple[PlannedRun, ...]
    runs: tuple[PlannedRun, ...]
    left_out: Mapping[str, str]
    """What is missing, and how to get it."""


def make_grid(config: StudyConfig) -> Grid:
    """Returns the runs of a study. Raises UserError for an unknown name, changed settings or an empty grid."""
    config = checked(config)
    left_out = {}
    tasks = list(_available(config.tasks, lambda task: _need_data(config, task), left_out))
    pretrain = {run.config.dataset: run for run in _pretrainings(config)}
    if config.inits == (SHORTLIST,):
        inits_of = {
            task: [_Init(kept.spec, kept.label, settings=kept.settings) for kept in shortlisted(config.workdir, task)]
            for task in tasks
        }
    else:
        wanted = _available(config.inits, lambda init: _need_weights(config, init, pretrain), left_out)
        inits = [_Init.of(init, pretrain) for init in wanted]
        inits_of = {task: inits for task in tasks}
    axes = (config.seeds, config.preprocessings, config.recipes)
    planned = tuple(
        _planned(config, task, *values)
        for task in tasks
        for values in itertools.product(_folds(config, task, left_out), *axes, inits_of[task], config.freezes)
        if not (values[-1] and networks.is_random(values[-2].spec))
    )
    if not planned:
        reasons = "".join(f"\n  {what}: {why}" for what, why in left_out.items())
        raise UserError(
            f"the grid is empty: no run is left for tasks {list(config.tasks)}, inits {list(config.inits)}{reasons}"
        )
    refuse_shared_folders(planned)
    for run in (*pretrain.values(), *planned):
        check(run.config)
    refuse_other_settings((*pretrain.values(), *planned))
    return Grid(tuple(pretrain.values()), planned, left_out)


def pick(planned: Sequence[PlannedRun], only: str) -> tuple[PlannedRun, ...]:
    """Returns the runs that `--only` selects: those with the named values, and with any value on other axes.

    Raises UserError for a word that is no value in the grid, and if no run is left.
    """
    words = set(only.replace(",", " ").split())
    known = [set(axis) for axis in zip(*map(_words, planned), strict=True)]
    if unknown := sorted(words - set().union(*known)):
        listed = ", ".join(sorted(filter(None, set().union(*known))))
        raise UserError(f"--only: the grid has no {', '.join(unknown)}; it has {listed}")
    wanted = [words & axis for axis in known]
    picked = tuple(
        run
        for run in planned
        if all(word in named or not named for word, named in zip(_words(run), wanted, strict=True))
    )
    if not picked:
        raise UserError(f"--only {only!r} selects no run: no run has all of these values; --dry-run lists the runs")
    return picked


def _words(run: PlannedRun) -> tuple[str, ...]:
    c = run.config
    return (c.dataset, run.label, run.freeze_name, f"fold{c.fold}", f"seed{c.seed}", c.preprocessing, run.condition)


@dataclass(frozen=True)
class _Init:
    """An initialisation of the grid: how it is given to training, its label, and the run that it comes from."""

    spec: str
    label: str
    source: Path | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Settings of TrainConfig that belong to it: the architecture of random weights on a shortlist."""

    @classmethod
    def of(cls, init: str, pretrain: Mapping[str, PlannedRun]) -> "_Init":
        if init not in pretrain:
            return cls(init, networks.label(init))
        run = pretrain[init]
        return cls(str(run.folder), f"{run.config.dataset}-{run.label}", run.folder)


def _planned(
    config: StudyConfig,
    task: str,
    fold: int,
    seed: int,
    preprocessing: str,
    recipe: Mapping[str, Any],
    init: _Init,
    freeze: bool,
) -> PlannedRun:
    tags = (
        recipe.get("tag", config.train.tag),
        init.settings.get("tag", ""),
        preprocessing if len(config.preprocessings) > 1 and preprocessing != "native" else "",
        runs.seed_tag(seed),  # empty for seed 0, so that a seed that is added later does not move earlier runs
    )
    settings = dict(recipe) | dict(config.overrides.get(task, {})) | dict(init.settings)
    settings |= {"dataset": task, "init": init.spec, "freeze": freeze, "fold": fold, "seed": seed, "quiet": True}
    settings |= {"preprocessing": preprocessing, "tag": "-".join(filter(None, tags)), "workdir": config.workdir}
    return PlannedRun(dataclasses.replace(config.train, **settings), init.label, init.source)


def _pretrainings(config: StudyConfig) -> Iterator[PlannedRun]:
    for run in config.pretrain:
        yield PlannedRun(dataclasses.replace(run, workdir=config.workdir, quiet=True), networks.label(run.init))


def _available(names: Iterable[str], need: Any, left_out: dict[str, str]) -> Iterator[str]:
    """Yields the names for which `need` does not raise _Absent, and records the reason for the others."""
    for name in names:
        try:
            need(name)
            yield name
        except _Absent as reason:
            left_out[name] = str(reason)


class _Absent(Exception):
    """Raised for something that the user does not have yet. The rest of the study can run without it."""


def _folds(config: StudyConfig, task: str, left_out: dict[str, str]) -> list[int]:
    """Returns those folds of the grid that a task has; images with their own train, val and test parts have one."""
    run = dataclasses.replace(settings_of_task(config, task), dataset=task)
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
        left_out[f"{task} fold {' '.join(absent)}"] = "the images have their own train, val and test parts: one fold"
    return [fold for fold in config.folds if fold <= count]


def _need_data(config: StudyConfig, task: str) -> None:
    card = datasets.card(task)
    run = settings_of_task(config, task)
    if not card.needs_archive or (run.data_dir and run.data_dir.exists()):
        return
    if run.data_dir:
        raise _Absent(f"{run.data_dir}: there is no such file or folder; {source_hint(card)}")
    where = f"--train.data-dir, or overrides[{task!r}]['data_dir'] in the config file"
    if not card.classes:  # images that were prepared before may be other ones
        raise _Absent(f"the folder of the images is not stated: set {where}")
    if not datasets.prepared(task, run.cache_dir):
        raise _Absent(f"there is no archive: set {where}; {source_hint(card)}")


def _need_weights(config: StudyConfig, init: str, pretrain: Mapping[str, PlannedRun]) -> None:
    if init in pretrain or networks.is_random(init):
        return
    try:
        networks.locate(init, config.train.weights_dir, download=config.train.download)
    except UserError as error:
        if weights.is_known(init):
            raise _Absent(str(error)) from None
        raise
