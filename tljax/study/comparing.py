"""Which networks of a study are compared, and the comparison itself: once for every task, fold and condition."""

import csv
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tljax.core import runs
from tljax.core.devices import use_compilation_cache
from tljax.core.errors import UserError
from tljax.core.files import write_csv
from tljax.datasets.folds import load
from tljax.study.cell import Cell
from tljax.weights import networks

FOLDER = "comparisons"


@dataclass(frozen=True)
class State:
    """A network before or after fine-tuning."""

    name: str
    init: str
    freeze: bool | None  # None: before
    cell: Cell

    @property
    def is_random(self) -> bool:
        """Whether no training has touched it."""
        return self.freeze is None and networks.is_random(self.init)


def states(cells: Sequence[Cell]) -> list[State]:
    """The networks of runs of one task, fold and condition: those without freeze first, then with, then before."""
    after = [State(cell.variant, cell.label, cell.config.freeze, cell) for cell in cells]
    before = {cell.label: State(cell.label, cell.label, None, cell) for cell in cells}
    return sorted(after, key=lambda state: state.freeze) + sorted(before.values(), key=lambda state: state.is_random)


def pairs(states: Sequence[State]) -> list[tuple[State, State]]:
    """Those that the paper's tables hold, and the same ones of networks that were trained from random."""
    wanted = [pair for pair in itertools.combinations(states, 2) if _wanted(*pair)]
    return wanted + [(state, _another(state)) for state in states if state.name == "random"]


def _another(state: State) -> State:
    """A second random network, for what two of them have in common."""
    name = f"random:{state.cell.config.seed + 1}"
    config = dataclasses.replace(state.cell.config, init=name)
    return State(name, name, None, dataclasses.replace(state.cell, config=config))


def _wanted(one: State, other: State) -> bool:
    if one.freeze is None:  # both before
        return True
    if other.freeze is None:
        return one.init == other.init or (other.is_random and not one.freeze)
    return one.init == other.init or one.freeze == other.freeze


def table_path(cell: Cell) -> Path:
    """The comparisons of all runs that share this one's task, fold and condition."""
    name = "-".join(filter(None, (f"fold{cell.config.fold}", cell.condition)))
    return cell.config.workdir / FOLDER / cell.config.dataset / f"{name}.csv"


def compare_cells(cells: Sequence[Cell], protocols: Sequence[str], measures: Sequence[str]) -> None:
    """Compares the networks of finished runs of one task, fold and condition, as far as that is not done yet.

    Raises UserError where none is finished.
    """
    from tljax.compare import compare

    cells = [cell for cell in cells if cell.finished]
    if not cells:
        raise UserError("no run that it compares is finished")
    todo = missing(cells, protocols, measures)
    if not todo:
        return
    config = cells[0].config
    use_compilation_cache(config.cache_dir)
    data, fold = load(config)
    patients = None if data.patients is None else [data.patients[row] for row in fold.test]
    table = read(cells)
    for protocol, wanted in todo.items():
        each = list(dict.fromkeys(state for pair in wanted for state in pair))
        position = {state: number for number, state in enumerate(each)}
        rows = compare(
            [network_of(state) for state in each],
            data.images[fold.test],
            pairs=[(position[one], position[other]) for one, other in wanted],
            protocol=protocol,
            measures=measures,
            patients=patients,
        )
        about = {"task": config.dataset, "fold": str(config.fold), "split": "test"}
        new = [about | {key: "" if cell is None else str(cell) for key, cell in vars(row).items()} for row in rows]
        again = {_key(row) for row in new}
        table = [row for row in table if _key(row) not in again] + new
    write_csv(table_path(cells[0]), table[0], (row.values() for row in table))


def missing(
    cells: Sequence[Cell], protocols: Sequence[str], measures: Sequence[str]
) -> dict[str, list[tuple[State, State]]]:
    """The pairs that are still to be compared, by protocol."""
    done = {_key(row) for row in read(cells)}
    todo = {
        protocol: [
            (one, other)
            for one, other in pairs(states(cells))
            if not all((protocol, one.name, other.name, measure) in done for measure in measures)
        ]
        for protocol in protocols
    }
    return {protocol: wanted for protocol, wanted in todo.items() if wanted}


def _key(row: Mapping[str, str]) -> tuple[str, ...]:
    """What is compared as one: two networks by a protocol and a measure."""
    return tuple(row[name] for name in ("protocol", "model1", "model2", "measure"))


def read(cells: Sequence[Cell]) -> list[dict[str, str]]:
    """What is known of runs of one task, fold and condition; nothing of a run that was trained again since."""
    path = table_path(cells[0]) if cells else None
    if not path or not path.exists():
        return []
    made = path.stat().st_mtime
    anew = {cell.variant for cell in cells if (cell.folder / runs.RESULT).stat().st_mtime > made}
    with path.open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if not anew & {row["model1"], row["model2"]}]


def network_of(state: State) -> networks.Network:
    """The network, with the input that its run gave it."""
    config = state.cell.config
    network = networks.resolve(
        config.init if state.freeze is None else str(state.cell.folder),
        config.weights_dir,
        preprocessing=config.preprocessing,
        backbone=config.backbone,
        variant=config.variant,
        seed=config.seed,
    )
    return dataclasses.replace(network, label=state.name)
