"""The stage that compares networks before and after fine-tuning, for each task, fold and condition."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tljax.core import runs
from tljax.core.devices import use_compilation_cache
from tljax.core.errors import UserError
from tljax.core.files import csv_header, read_csv, write_csv
from tljax.datasets.folds import load
from tljax.study import authors
from tljax.study.architectures import architecture
from tljax.study.plan import Plan
from tljax.study.planned import PlannedRun, comparable
from tljax.study.work import WorkItem
from tljax.weights import networks

ORDER = 40

FOLDER = "comparisons"
GAIN_COLUMNS = ("task", "init", "freeze", "tag", "fold", "layer", "similarity", "gain")

Protocol = Literal["paper", "full"]


@dataclass(frozen=True)
class NetworkState:
    """A network before or after fine-tuning."""

    name: str
    init: str
    freeze: bool | None  # None: before fine-tuning
    run: PlannedRun

    @property
    def is_random(self) -> bool:
        """Whether the network was never trained."""
        return self.freeze is None and networks.is_random(self.init)


Pair = tuple[NetworkState, NetworkState]


def after_tuning(run: PlannedRun) -> NetworkState:
    """Returns the network of a finished run."""
    return NetworkState(run.variant, run.label, run.config.freeze, run)


def before_tuning(run: PlannedRun) -> NetworkState:
    """Returns the initialisation of a run."""
    return NetworkState(run.label, run.label, None, run)


def states(group: Sequence[PlannedRun]) -> list[NetworkState]:
    """Returns the networks of a group: those trained without freeze, then with freeze, then the initialisations."""
    after = sorted(map(after_tuning, group), key=lambda state: bool(state.freeze))
    before = {run.label: before_tuning(run) for run in group}
    return after + sorted(before.values(), key=lambda state: state.is_random)


def pairs(found: Sequence[NetworkState]) -> list[Pair]:
    """Returns the pairs of the paper's tables, and the corresponding pairs for random initialisation."""
    wanted = [pair for pair in itertools.combinations(found, 2) if _wanted(*pair)]
    return wanted + [(state, _another_random(state)) for state in found if state.name == "random"]


def _another_random(state: NetworkState) -> NetworkState:
    """Returns a second random network, whose similarity to the first is the similarity by chance."""
    name = f"random:{state.run.config.seed + 1}"
    config = dataclasses.replace(state.run.config, init=name)
    return NetworkState(name, name, None, dataclasses.replace(state.run, config=config))


def _wanted(one: NetworkState, other: NetworkState) -> bool:
    if one.freeze is None:  # both before fine-tuning
        return True
    if other.freeze is None:
        return one.init == other.init or (other.is_random and not one.freeze)
    return one.init == other.init or one.freeze == other.freeze


# Work


def work(plan: Plan, earlier: Sequence[WorkItem]) -> Iterator[WorkItem]:
    """Yields one item for each group with a missing comparison, or with a run that is not trained yet."""
    protocols, measures = plan.config.protocols, plan.config.measures
    if not protocols:
        return
    training = {item.folder: item.name for item in earlier if item.folder}
    for group in plan.groups:
        trained = frozenset(training[run.folder] for run in group if run.folder in training)
        if trained or missing(group, protocols, measures):
            do = functools.partial(compare_group, group, protocols, measures)
            yield WorkItem(f"compare {group[0].place_name}", do, after=trained, place=group[0].place)


def compare_group(group: Sequence[PlannedRun], protocols: Sequence[Protocol], measures: Sequence[str]) -> None:
    """Makes the missing comparisons between the networks of the finished runs of a group.

    Networks of different backbones are compared by the full protocol, with each image averaged over its positions.
    Raises UserError if no run is finished.
    """
    from tljax.compare import compare

    group = [run for run in group if run.finished]
    if not group:
        raise UserError("none of the runs to compare is finished")
    todo = missing(group, protocols, measures)
    if not todo:
        return
    config = group[0].config
    use_compilation_cache(config.cache_dir)
    data, fold = load(config)
    patients = None if data.patients is None else [data.patients[row] for row in fold.test]
    table = read(group)
    for protocol, backbone, wanted in _by_backbone(todo):
        each = list(dict.fromkeys(state for pair in wanted for state in pair))
        position = {state: number for number, state in enumerate(each)}
        rows = compare(
            [network_of(state) for state in each],
            data.images[fold.test],
            pairs=[(position[one], position[other]) for one, other in wanted],
            protocol=protocol,
            measures=measures,
            pool="none" if backbone else "gap",
            patients=patients,
        )
        about = {"task": config.dataset, "fold": str(config.fold), "split": "test"}
        new = [about | {key: "" if value is None else str(value) for key, value in vars(row).items()} for row in rows]
        replaced = {_key(row) for row in new}
        table = [row for row in table if _key(row) not in replaced] + new
    columns = dict.fromkeys(key for row in table for key in row)  # older rows may have fewer
    write_csv(table_path(group[0]), columns, ([row.get(key, "") for key in columns] for row in table))


def _common_backbone(one: NetworkState, other: NetworkState) -> str:
    """Returns the backbone of two networks; empty if they differ, so that their positions need not correspond."""
    backbones = {architecture(state.run)[0] for state in (one, other)}
    return backbones.pop() if len(backbones) == 1 else ""


def _by_backbone(todo: Mapping[Protocol, Sequence[Pair]]) -> Iterator[tuple[Protocol, str, list[Pair]]]:
    """Yields the pairs that can be compared together: protocol, common backbone (empty if it differs), pairs."""
    for protocol, wanted in todo.items():
        groups: dict[str, list[Pair]] = {}
        for pair in wanted:
            groups.setdefault(_common_backbone(*pair), []).append(pair)
        for backbone, chosen in groups.items():
            yield protocol, backbone, chosen


def network_of(state: NetworkState) -> networks.Network:
    """Returns the network, with the input normalisation of its run."""
    config = state.run.config
    network = networks.resolve(
        config.init if state.freeze is None else str(state.run.folder),
        config.weights_dir,
        preprocessing=config.preprocessing,
        backbone=config.backbone,
        variant=config.variant,
        seed=config.seed,
    )
    return dataclasses.replace(network, label=state.name)


# What is on disk


def table_path(run: PlannedRun) -> Path:
    """Returns the file of all comparisons of the group of a run."""
    name = "-".join(filter(None, (f"fold{run.config.fold}", run.condition)))
    return run.config.workdir / FOLDER / run.config.dataset / f"{name}.csv"


def missing(
    group: Sequence[PlannedRun], protocols: Sequence[Protocol], measures: Sequence[str]
) -> dict[Protocol, list[Pair]]:
    """Returns the pairs that have not been compared yet, by protocol.

    The paper's protocol compares positions, and therefore only networks of one backbone.
    """
    done = {_key(row) for row in read(group)}
    todo: dict[Protocol, list[Pair]] = {
        protocol: [
            (one, other)
            for one, other in pairs(states(group))
            if not all((protocol, one.name, other.name, measure) in done for measure in measures)
            and (protocol == "full" or _common_backbone(one, other))
        ]
        for protocol in protocols
    }
    return {protocol: wanted for protocol, wanted in todo.items() if wanted}


def _key(row: Mapping[str, str]) -> tuple[str, ...]:
    """Returns what identifies a comparison: protocol, both networks and measure."""
    return tuple(row[name] for name in ("protocol", "model1", "model2", "measure"))


def read(group: Sequence[PlannedRun]) -> list[dict[str, str]]:
    """Returns the comparisons of a group, without those of runs that have been trained again since."""
    path = table_path(group[0]) if group else None
    if not path or not path.exists():
        return []
    made = path.stat().st_mtime
    retrained = {run.variant for run in group if (run.folder / runs.RESULT).stat().st_mtime > made}
    return [row for row in read_csv(path) if not retrained & {row["model1"], row["model2"]}]


# Tables


def write_tables(plan: Plan) -> None:
    """Writes `representations.csv`, `gain.csv` and the authors' tables of CCA, with one group in memory at a time."""
    finished = plan.finished()
    groups = comparable(finished)
    columns = dict.fromkeys(key for group in groups for key in _columns(group))
    kept: list[dict[str, str]] = []
    if columns:
        all_rows = _kept_on_the_way(groups, kept)
        rows = ([row.get(key, "") for key in columns] for row in all_rows)
        write_csv(plan.results / "representations.csv", columns, rows)
    if finished:
        write_csv(plan.results / "gain.csv", GAIN_COLUMNS, _gains(finished, kept))
        authors.write_representations(plan.results, finished, kept)


def _columns(group: Sequence[PlannedRun]) -> list[str]:
    path = table_path(group[0])
    return [*csv_header(path), "condition"] if path.exists() else []


def _kept_on_the_way(groups: Sequence[Sequence[PlannedRun]], kept: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Yields all comparisons, and adds rows of mean CCA by the paper's protocol without a flag to `kept`."""
    for group in groups:
        for row in read(group):
            row["condition"] = group[0].condition
            if (row["protocol"], row["measure"], row["flag"]) == ("paper", "cca", ""):
                kept.append({key: row[key] for key in authors.CCA_KEYS})
            yield row


def _gains(finished: Sequence[PlannedRun], mean_cca: Sequence[Mapping[str, str]]) -> Iterator[tuple]:
    """Yields mean CCA before and after fine-tuning (the paper's protocol) and the relative AUC gain over random."""
    by_variant = {(*run.place[:2], run.variant): run for run in finished}
    random = {run.place: run for run in finished if run.label == "random"}
    auc = functools.cache(_auc)
    for row in mean_cca:
        run = by_variant.get((row["task"], int(row["fold"]), row["model1"]))
        if not run or run.label == "random" or row["model2"] != run.label or run.place not in random:
            continue
        base, reached = auc(random[run.place].folder), auc(run.folder)
        if base and reached is not None:
            network = (run.config.dataset, run.label, run.freeze_name, run.condition)
            yield *network, row["fold"], row["layer1"], row["value"], reached / base - 1


def _auc(folder: Path) -> float | None:
    """Returns the test AUC of a finished run; None if it is undefined."""
    return runs.read_json(folder / runs.RESULT)["test"]["auc"]
