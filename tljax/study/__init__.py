"""A study: a grid of fine-tunings, every comparison between them, and tables; survives anything, redoes nothing.

Stages meet on disk. What is finished there is left alone, so that the same command continues a study, extends it, or
makes its tables anew.
"""

import dataclasses
import functools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tljax.core import runs
from tljax.core.config import StudyConfig, TrainConfig
from tljax.core.errors import Requeue, UserError
from tljax.core.locks import Held, exclusive
from tljax.core.progress import console
from tljax.study import comparing, explaining, twins
from tljax.study.cell import Cell
from tljax.study.checks import checked
from tljax.study.display import StudyDisplay, show_left_out
from tljax.study.grid import Grid, make_grid, pick
from tljax.study.local import LocalLauncher
from tljax.study.record import corrupt, record
from tljax.study.schedule import Launcher, run_all
from tljax.study.tables import comparable, write_tables
from tljax.study.units import Outcome, Unit

LOCK = ".study.lock"


def study(config: StudyConfig, command: str = "") -> Path:
    """Runs, or goes on with, a study and returns its folder of tables.

    Raises UserError for what is wrong with the config before anything is run, and at the end for runs that failed or
    cannot be read; Requeue after SIGTERM. The tables are written before either, of what is there.
    """
    config = checked(config)
    config = dataclasses.replace(config, workdir=config.workdir.resolve())
    grid = make_grid(config)
    show_left_out(console, grid.left_out)
    picked = pick(grid.cells, config.only)
    with alone(config.workdir):
        outcomes: dict[str, Outcome] = {}
        record(config, grid, command, outcomes)
        units = make_units(config, grid, picked)
        try:
            if units:
                run_units(config, picked, units, outcomes)
        except (UserError, Requeue, KeyboardInterrupt):
            _conclude(config, grid, command, outcomes)
            raise
        damaged = corrupt([*grid.pretrain, *picked])
        outcomes |= {name: Outcome("failed", why) for name, why in damaged.items()}
        tables = _conclude(config, grid, command, outcomes)
    failed = {name: outcome.message for name, outcome in outcomes.items() if outcome.status == "failed"}
    _raise_for(failed, damaged)
    return tables


def _conclude(config: StudyConfig, grid: Grid, command: str, outcomes: Mapping[str, Outcome]) -> Path:
    record(config, grid, command, outcomes)
    return write_tables(config, grid)


def _raise_for(failed: Mapping[str, str], damaged: Mapping[str, str]) -> None:
    """One message for all that failed and all that cannot be read."""
    again = {name: why for name, why in failed.items() if name not in damaged}
    parts = []
    if again:
        parts.append(f"{len(again)} failed; run the same command again to try them anew:{_by_reason(again)}")
    if damaged:
        parts.append(f"{len(damaged)} of the runs cannot be read and are left out:{_by_reason(damaged)}")
    if parts:
        raise UserError("\n".join(parts))


def _by_reason(failed: Mapping[str, str]) -> str:
    """Each reason once, with what failed for it."""
    names: dict[str, list[str]] = {}
    for name, reason in failed.items():
        names.setdefault(reason, []).append(name)
    return "".join(f"\n  {', '.join(several)}: {reason}" for reason, several in names.items())


def make_units(config: StudyConfig, grid: Grid, picked: Sequence[Cell]) -> list[Unit]:
    """What is still to be done, in the order in which it is best done."""
    picked = [cell for cell in picked if cell.status != "corrupt"]  # nothing but the user's hand can mend those
    sources = {cell.source for cell in picked if not cell.finished}
    units = [_training(cell) for cell in grid.pretrain if cell.folder in sources and cell.status == "unfinished"]
    pending = {unit.folder: unit.name for unit in units}
    twin_of = twins.twins(grid.cells)
    for cells in comparable(picked):
        group = [
            _training(cell, pending.get(cell.source), twin_of.get(cell.folder)) for cell in cells if not cell.finished
        ]
        trained = frozenset(unit.name for unit in group)
        followers = []
        if config.protocols and (group or comparing.missing(cells, config.protocols, config.measures)):
            work = functools.partial(comparing.compare_cells, cells, config.protocols, config.measures)
            followers.append(Unit(f"compare {_place(cells[0])}", work, after=trained))
        if cells[0].config.fold == config.folds[0]:
            followers += [_explanation(cell, group) for cell in cells if not explaining.is_done(cell)]
        if config.keep == "none" and (group or any((cell.folder / runs.CHECKPOINT).exists() for cell in cells)):
            done = trained | {unit.name for unit in followers}
            followers.append(
                Unit(f"forget weights of {_place(cells[0])}", functools.partial(forget, cells), needs=done)
            )
        units += group + followers
    return units


def _training(cell: Cell, source: str | None = None, twin: Cell | None = None) -> Unit:
    work = functools.partial(_copy_or_train, cell, twin) if twin else functools.partial(_train, cell.config)
    before = frozenset([str(twin)] if twin else [])
    return Unit(str(cell), work, after=before, needs=frozenset(filter(None, [source])), folder=cell.folder)


def _explanation(cell: Cell, group: Sequence[Unit]) -> Unit:
    training = frozenset(unit.name for unit in group if unit.folder == cell.folder)
    return Unit(f"explain {cell}", functools.partial(explaining.explain, cell), needs=training)


def _copy_or_train(cell: Cell, twin: Cell) -> None:
    if not twins.copy(cell, twin):
        _train(cell.config)


def _train(config: TrainConfig) -> None:
    from tljax.train.loop import train

    train(config)


def _place(cell: Cell) -> str:
    return " ".join(filter(None, (cell.config.dataset, f"fold {cell.config.fold}", cell.condition)))


def forget(cells: Sequence[Cell]) -> None:
    """Removes the weights of runs."""
    for cell in cells:
        shutil.rmtree(cell.folder / runs.CHECKPOINT, ignore_errors=True)


def run_units(config: StudyConfig, picked: Sequence[Cell], units: Sequence[Unit], outcomes: dict[str, Outcome]) -> None:
    """Does them by the launcher that was asked for, and notes each outcome by name as it comes."""
    if config.launcher == "slurm":
        from tljax.study.slurm import SlurmLauncher

        launcher: Launcher = SlurmLauncher(config.slurm, config.workdir)
    else:
        launcher = LocalLauncher()
    with StudyDisplay(console, picked, len(units)) as display:
        run_all(units, launcher, display, outcomes)


@contextmanager
def alone(workdir: Path) -> Iterator[None]:
    """Only one study at a time may work in a folder."""
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        try:
            with exclusive(workdir / LOCK):
                yield
        except Held as holder:
            raise UserError(
                f"another study is at work in {workdir} ({holder}); wait for it, or use another --workdir"
            ) from None


@contextmanager
def writing(workdir: Path) -> Iterator[None]:
    """What the disk refuses is the user's to mend."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {error.filename or workdir} ({error.strerror}); make room or choose another --workdir, "
            "and run the same command again: what is finished is kept"
        ) from error
