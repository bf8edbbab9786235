"""Prints the results of a study."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from rich.table import Table

from tljax.core.config import StudyConfig
from tljax.core.files import read_csv
from tljax.core.progress import output
from tljax.study.plan import RESULTS

Row = Mapping[str, str]
Name = tuple[str, str]  # task and network


def show_results(config: StudyConfig) -> None:
    """Prints the AUC of every network over the folds, its similarity before and after fine-tuning, and the paths."""
    results = config.workdir / RESULTS
    runs = _by_network(_rows(results / "runs.csv"))
    for table in (_aucs(runs), *_before_after(runs, _rows(results / "representations.csv"))):
        output.print(table, soft_wrap=False)
    output.print(f"tables   {results}")
    command = shlex.join(["python", "-m", "tljax.report", str(config.workdir)])
    output.print(f"report   {command}  ->  {config.workdir / 'report' / 'index.html'}")


def _aucs(runs: Mapping[Name, list[Row]]) -> Table:
    scores = ("AUC", "Keras AUC", "accuracy", "folds")
    table = _table("Test AUC, mean ± standard deviation over folds", scores)
    for (task, network), rows in runs.items():
        done = [row for row in rows if row["status"] == "finished"]
        figures = (_spread(row[name] for row in done) for name in ("auc", "auc_keras", "accuracy"))
        table.add_row(task, network, *figures, f"{len(done)} of {len(rows)}")
    return table


def _before_after(runs: Mapping[Name, list[Row]], representations: Iterable[Row]) -> Iterator[Table | str]:
    """Yields mean CCA before and after fine-tuning, by the first protocol; one table per set of layers.

    Values with a flag are left out; a last line names their layers.
    """
    init_of = {name: rows[0]["init"] for name, rows in runs.items()}
    found: dict[Name, dict[str, list[str]]] = {}  # to the values of each layer
    flagged: dict[str, None] = {}  # an ordered set
    protocol = None
    for row in representations:
        name = (row["task"], row["model1"])
        if row["measure"] != "cca" or init_of.get(name) != row["model2"]:
            continue
        protocol = protocol or row["protocol"]
        if row["protocol"] != protocol:
            continue
        if row["flag"]:
            flagged.setdefault(f"{row['layer1']} ({row['flag']})")
        else:
            found.setdefault(name, {}).setdefault(row["layer1"], []).append(row["value"])
    for layers in dict.fromkeys(tuple(values) for values in found.values()):
        table = _table("Mean CCA before and after fine-tuning", layers)
        for name in runs:
            if name in found and tuple(found[name]) == layers:
                table.add_row(*name, *map(_spread, found[name].values()))
        yield table
    if flagged:
        yield f"CCA of these layers is flagged in representations.csv, and not shown: {', '.join(flagged)}"


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    for name in ("task", "network"):
        table.add_column(name, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _by_network(runs: Iterable[Row]) -> dict[Name, list[Row]]:
    found: dict[Name, list[Row]] = {}
    for run in runs:
        found.setdefault((run["task"], Path(run["path"]).parent.name), []).append(run)
    return found


def _spread(values: Iterable[str]) -> str:
    """Returns mean ± standard deviation of numbers that are given as text; empty texts are left out."""
    figures = np.array([float(value) for value in values if value])
    if not len(figures):
        return "–"
    return f"{figures.mean():.3f}" + (f" ± {figures.std(ddof=1):.3f}" if len(figures) > 1 else "")


def _rows(path: Path) -> Iterator[Row]:
    """Returns the rows of a table of the study; none if the table does not exist."""
    return read_csv(path) if path.exists() else iter(())
