"""Runs a study: a grid of fine-tunings, every comparison between them, and tables.

The stages communicate through files. Finished files are left unchanged, so the same command continues a study, extends
it, or writes its tables again.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tljax.core.config import StudyConfig
from tljax.core.errors import Requeue, UserError
from tljax.core.locks import Held, exclusive
from tljax.core.progress import console
from tljax.study.checks import checked
from tljax.study.display import StudyDisplay, show_left_out
from tljax.study.grid import make_grid, pick
from tljax.study.local import LocalLauncher
from tljax.study.plan import Plan
from tljax.study.record import corrupt, record
from tljax.study.schedule import Launcher, run_all
from tljax.study.shortlist import screen_first
from tljax.study.stages import make_work, write_tables
from tljax.study.work import Outcome, WorkItem

LOCK = ".study.lock"


def run_study(config: StudyConfig, command: str = "") -> Path:
    """Runs, or continues, a study and returns its folder of tables.

    Raises UserError for a mistake in the config before anything runs, and at the end for runs that failed or cannot be
    read. Raises Requeue after SIGTERM. The tables of finished runs are written first.
    """
    screen_first(config)
    plan = make_plan(config)
    show_left_out(console, plan.grid.left_out)
    with alone(plan.config.workdir):
        outcomes: dict[str, Outcome] = {}
        record(plan.config, plan.grid, command, outcomes)
        items = make_work(plan)
        try:
            if items:
                do_work(plan, items, outcomes)
        except (UserError, Requeue, KeyboardInterrupt):
            _conclude(plan, command, outcomes)
            raise
        damaged = corrupt([*plan.grid.pretrain, *plan.picked])
        outcomes |= {name: Outcome("failed", why) for name, why in damaged.items()}
        _conclude(plan, command, outcomes)
    failed = {name: outcome.message for name, outcome in outcomes.items() if outcome.status == "failed"}
    _raise_for(failed, damaged)
    return plan.results


def make_plan(config: StudyConfig) -> Plan:
    """Returns what a study will do. Raises UserError for a mistake in its config."""
    config = checked(config)
    config = dataclasses.replace(config, workdir=config.workdir.resolve())
    grid = make_grid(config)
    return Plan(config, grid, pick(grid.runs, config.only))


def do_work(plan: Plan, items: Sequence[WorkItem], outcomes: dict[str, Outcome]) -> None:
    """Does work items with the launcher of the config, and adds each outcome to `outcomes` when the item ends."""
    config = plan.config
    if config.launcher == "slurm":
        from tljax.study.slurm import SlurmLauncher

        launcher: Launcher = SlurmLauncher(config.slurm, config.workdir)
    else:
        launcher = LocalLauncher(config.per_device)
    with StudyDisplay(console, plan.picked, len(items)) as display:
        run_all(items, launcher, display, outcomes)


def _conclude(plan: Plan, command: str, outcomes: Mapping[str, Outcome]) -> None:
    record(plan.config, plan.grid, command, outcomes)
    write_tables(plan)


def _raise_for(failed: Mapping[str, str], damaged: Mapping[str, str]) -> None:
    """Raises one UserError for all work that failed and all runs that cannot be read."""
    again = {name: why for name, why in failed.items() if name not in damaged}
    parts = []
    if again:
        parts.append(f"{len(again)} work items failed; run the same command again to repeat them:{_by_reason(again)}")
    if damaged:
        parts.append(f"{len(damaged)} of the runs cannot be read and are left out:{_by_reason(damaged)}")
    if parts:
        raise UserError("\n".join(parts))


def _by_reason(failed: Mapping[str, str]) -> str:
    """Returns each reason once, with the names of the work items that failed for it."""
    names: dict[str, list[str]] = {}
    for name, reason in failed.items():
        names.setdefault(reason, []).append(name)
    return "".join(f"\n  {', '.join(several)}: {reason}" for reason, several in names.items())


@contextmanager
def alone(workdir: Path) -> Iterator[None]:
    """Lets only one study at a time run in a folder.

    Raises UserError if another one is running there, or if the folder cannot be written.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        with exclusive(workdir / LOCK):
            yield
    except Held as holder:
        raise UserError(
            f"another study is running in {workdir} ({holder}); wait for it, or use another --workdir"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot write {error.filename or workdir} ({error.strerror}); free some space or choose another "
            "--workdir, and run the same command again: finished work is kept"
        ) from error
