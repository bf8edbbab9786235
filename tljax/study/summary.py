"""What a study prints: the grid before it runs, the results when it has."""

import csv
import dataclasses
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from tljax.core.config import StudyConfig
from tljax.core.paper import LAYERS
from tljax.core.progress import output
from tljax.study.cell import Cell
from tljax.study.checks import checked
from tljax.study.display import duration, show_left_out
from tljax.study.estimate import Estimate, estimate
from tljax.study.grid import make_grid, pick
from tljax.study.record import corrupt
from tljax.study.tables import RESULTS
from tljax.study.twins import sees_the_same, twins

Rows = list[dict[str, str]]


def show_results(config: StudyConfig) -> None:
    """AUC of every network over the folds, what fine-tuning changed in it, and where everything lies."""
    runs, representations = (read(config.workdir / RESULTS / name) for name in ("runs.csv", "representations.csv"))
    output.print(_aucs(runs), soft_wrap=False)
    if before_after := _before_after(runs, representations):
        output.print(before_after, soft_wrap=False)
    output.print(f"tables   {config.workdir / RESULTS}")
    command = shlex.join(["python", "-m", "tljax.report", str(config.workdir)])
    output.print(f"report   {command}  ->  {config.workdir / 'report' / 'index.html'}")


def _aucs(runs: Rows) -> Table:
    table = Table(title="Test AUC, mean ± standard deviation over folds", title_justify="left", box=None)
    for name in ("task", "network"):
        table.add_column(name, no_wrap=True)
    for name in ("AUC", "Keras AUC", "accuracy", "folds"):
        table.add_column(name, justify="right", no_wrap=True)
    for (task, network), rows in _by_network(runs).items():
        done = [row for row in rows if row["status"] == "finished"]
        scores = (spread(row[name] for row in done) for name in ("auc", "auc_keras", "accuracy"))
        table.add_row(task, network, *scores, f"{len(done)} of {len(rows)}")
    return table


def _before_after(runs: Rows, representations: Rows) -> Table | None:
    """Mean CCA of a network before and after fine-tuning, by the first protocol that was run."""
    table = Table(title="Mean CCA before and after fine-tuning", title_justify="left", box=None)
    for name in ("task", "network"):
        table.add_column(name, no_wrap=True)
    for name in LAYERS:
        table.add_column(name, justify="right", no_wrap=True)
    rows = [row for row in representations if row["measure"] == "cca" and not row["flag"]]
    rows = [row for row in rows if row["protocol"] == rows[0]["protocol"]]
    init_of = {(run["task"], _network(run)): run["init"] for run in runs}
    for (task, network), init in init_of.items():
        own = [row for row in rows if (row["task"], row["model1"], row["model2"]) == (task, network, init)]
        if own:
            table.add_row(task, network, *(spread(r["value"] for r in own if r["layer1"] == layer) for layer in LAYERS))
    return table if table.row_count else None


def _network(run: Mapping[str, str]) -> str:
    return Path(run["path"]).parent.name


def _by_network(runs: Rows) -> dict[tuple[str, str], Rows]:
    found: dict[tuple[str, str], Rows] = {}
    for run in runs:
        found.setdefault((run["task"], _network(run)), []).append(run)
    return found


def spread(values: Iterable[str]) -> str:
    """Mean ± standard deviation of figures as they stand in a table."""
    figures = np.array([float(value) for value in values if value])
    if not len(figures):
        return "–"
    return f"{figures.mean():.3f}" + (f" ± {figures.std(ddof=1):.3f}" if len(figures) > 1 else "")


def read(path: Path) -> Rows:
    """A table of the study; empty where there is none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def show_grid(config: StudyConfig) -> None:
    """The runs, what is left out and why, and a rough idea of the time and disk they take."""
    config = checked(config)
    config = dataclasses.replace(config, workdir=config.workdir.resolve())
    grid = make_grid(config)
    cells = [*grid.pretrain, *pick(grid.cells, config.only)]
    table = Table("task", "network", "folds", "finished", box=None)
    for row in _rows(cells):
        table.add_row(*row)
    output.print(table, soft_wrap=False)
    show_left_out(output, grid.left_out)
    for name, why in corrupt(cells).items():
        output.print(f"{name} cannot be read: {why}")
    todo = [cell for cell in cells if cell.status == "unfinished"]
    done = sum(cell.finished for cell in cells)
    output.print(f"{len(cells)} run{'s' * (len(cells) != 1)}, {done} of them finished")
    twin_of = twins(grid.cells)
    copies = [cell for cell in todo if cell.folder in twin_of and sees_the_same(cell)]
    if copies:
        output.print(
            f"{len(copies)} of them copied, not trained: to {', '.join(dict.fromkeys(cell.label for cell in copies))} "
            "native input is the paper's",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    if todo:
        _show_cost(config, estimate(config, todo, copies))


def _show_cost(config: StudyConfig, cost: Estimate) -> None:
    parent = next(folder for folder in (config.workdir, *config.workdir.parents) if folder.exists())
    free = shutil.disk_usage(parent).free
    output.print(
        f"roughly {duration(cost.seconds)} of training on {cost.device} ({cost.basis}), if no run stops early; "
        "comparisons come on top\n"
        f"{cost.bytes / 1e9:.1f} GB on disk; {free / 1e9:.1f} GB are free in {parent}",
    )


def _rows(cells: Sequence[Cell]) -> Iterable[tuple[str, str, str, str]]:
    rows: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.config.dataset, cell.variant), []).append(cell)
    for (task, variant), found in rows.items():
        folds = " ".join(str(cell.config.fold) for cell in found)
        yield task, variant, folds, str(sum(cell.finished for cell in found))
