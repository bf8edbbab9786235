"""The similarities of representations that a study measured, by task, protocol, measure and condition."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tljax.core import paper
from tljax.report.analysis.conditions import recipe_of
from tljax.report.analysis.csv_tables import Row, cell, read_table
from tljax.report.analysis.networks import ComparedNetwork, NetworkPair, preprocessing_and_recipe, read_name
from tljax.report.analysis.notes import Note, TablesNotWritten
from tljax.report.analysis.tasks import TaskRuns
from tljax.report.analysis.trials import RunRecord

Layers = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LayerSimilarity:
    """One measured value: a layer of the first network of a pair against a layer of the second, on one fold."""

    layers: tuple[str, str]
    fold: str
    value: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True)
class MatchedLayers:
    """A layer of the first network of a pair with the layer of the second at the same place or relative depth."""

    name: str
    depth: float
    """Of the first network's layer: 0 for its first, 1 for its last."""
    values: tuple[LayerSimilarity, ...]

    @property
    def by_fold(self) -> dict[str, float]:
        """The value of each fold, averaged over seeds."""
        return mean_by_fold(self.values)


@dataclass(frozen=True)
class Representations:
    """The similarities of a task by one protocol and one measure, of networks trained under one condition."""

    task: str
    protocol: str
    measure: str
    preprocessing: str
    recipe: str
    """Empty if the study has one recipe."""
    other_preprocessings: frozenset[str]
    """Preprocessings, other than this one, under which representations of the task were compared too."""
    other_conditions: bool
    """Whether representations of the task were compared under any other condition."""
    values: Mapping[NetworkPair, tuple[LayerSimilarity, ...]]
    """Those without a flag."""
    pooled: frozenset[NetworkPair]
    """Pairs that were compared with each image averaged over its positions."""
    flagged: tuple[tuple[str, str], ...]
    """Layers and flags of the values that are left out."""
    layers: Mapping[ComparedNetwork, Layers]
    """The layers of each network, from input to output."""
    covers: str
    """What the intervals cover, a key of `COVERS`; empty in the tables of earlier versions."""

    @property
    def like_published(self) -> bool:
        """Whether protocol and condition are the paper's, or as close to them as the study has."""
        native = self.preprocessing != "paper" and "paper" in self.other_preprocessings
        return self.protocol == "paper" and not self.recipe and not native

    def matched(self, pair: NetworkPair) -> list[MatchedLayers]:
        """Returns the layers of a pair that belong together, in the order of the first network.

        They are the layers of the same name where both networks have the same layers, else those of the nearest
        relative depth.
        """
        own, other = self.layers[pair.first], self.layers[pair.second]
        cells: dict[str, dict[str, list[LayerSimilarity]]] = defaultdict(lambda: defaultdict(list))
        for value in self.values[pair]:
            cells[value.layers[0]][value.layers[1]].append(value)
        found = []
        for layer in (name for name in own if name in cells):
            at = relative_depth(own, layer)
            partner = (
                layer if own == other else min(cells[layer], key=lambda name: abs(relative_depth(other, name) - at))
            )
            if values := cells[layer].get(partner):
                found.append(MatchedLayers(layer, at, tuple(values)))
        return found

    def grid(self, pair: NetworkPair) -> tuple[Layers, Layers, np.ndarray] | None:
        """Returns the layers of both networks and the mean over folds for every pair of layers.

        None if only matching layers were compared.
        """
        sums: dict[tuple[str, str], list[float]] = defaultdict(list)
        for value in self.values[pair]:
            sums[value.layers].append(value.value)
        first, second = (
            tuple(name for name in self.layers[network] if name in {key[side] for key in sums})
            for side, network in enumerate((pair.first, pair.second))
        )
        if len(sums) <= max(len(first), len(second)):
            return None
        table = np.array([[np.mean(sums.get((one, other), [np.nan])) for other in second] for one in first])
        return first, second, table


def relative_depth(layers: Layers, name: str) -> float:
    """Returns the position of a layer in its network: 0 for the first layer, 1 for the last."""
    return layers.index(name) / max(len(layers) - 1, 1)


def mean_by_fold(values: Iterable[LayerSimilarity]) -> dict[str, float]:
    """Returns the value of each fold, averaged over seeds."""
    found: dict[str, list[float]] = defaultdict(list)
    for value in values:
        found[value.fold].append(value.value)
    return {fold: float(np.mean(of_fold)) for fold, of_fold in found.items()}


def read_representations(
    workdir: Path, records: Sequence[RunRecord]
) -> tuple[dict[str, tuple[Representations, ...]], list[Note]]:
    """Reads `results/representations.csv`, or `comparisons/` if the tables are not written yet.

    Returns:
        the similarities by task, the paper's protocol and CCA first, and notes on what cannot be read.
    """
    notes: list[Note] = []
    recorded = {
        (record.task, record.init): tuple(map(str, record.facts["layers"]))
        for record in records
        if isinstance(record.facts.get("layers"), list)
    }
    preprocessings = {
        (record.task, record.tag): str(record.settings["preprocessing"])
        for record in records
        if "preprocessing" in record.settings
    }
    reader = _Reader(recorded, preprocessings)
    for row in _rows(workdir, notes):
        reader.add(row)
    return reader.result(), notes


def of_verdict(known: Sequence[Representations], task: TaskRuns) -> Representations | None:
    """Returns the similarities under the condition of the task's verdict, by the first protocol and measure."""
    wanted = task.condition.preprocessing, task.condition.tag
    matching = [each for each in known if (each.preprocessing, each.recipe) == wanted or not each.other_conditions]
    return next(iter(matching), None)


class _Reader:
    """Groups the rows of a table while they are read."""

    def __init__(self, recorded: Mapping[tuple[str, str], Layers], preprocessings: Mapping[tuple[str, str], str]):
        """recorded: layers by task and initialisation. preprocessings: by task and tag of the run folder."""
        self._recorded = recorded
        self._preprocessings = preprocessings
        self._groups: dict[tuple[str, ...], dict[NetworkPair, list[LayerSimilarity]]] = {}
        self._pooled: dict[tuple[str, ...], set[NetworkPair]] = defaultdict(set)
        self._flagged: dict[tuple[str, ...], dict[tuple[str, str], None]] = defaultdict(dict)
        self._layers: dict[str, dict[ComparedNetwork, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
        self._covers: dict[tuple[str, ...], str] = {}
        self._names: dict[tuple[str, str], tuple[ComparedNetwork, str]] = {}

    def add(self, row: Row) -> None:
        task, layers = row.get("task", ""), (row.get("layer1", ""), row.get("layer2", ""))
        networks, tags = zip(*(self._network(row.get(side, ""), task) for side in ("model1", "model2")), strict=True)
        for network, layer in zip(networks, layers, strict=True):
            self._layers[task][network].setdefault(layer)
        tag = row["condition"] if "condition" in row else next(filter(None, tags), "")
        key = (task, row.get("protocol", ""), row.get("measure", ""), *self._condition(task, tag))
        values = self._groups.setdefault(key, {})
        if row.get("flag"):
            self._flagged[key].setdefault((layers[0], row["flag"]))
            return
        if row.get("covers"):
            self._covers[key] = row["covers"]
        if networks[1].tuned and not networks[0].tuned:
            networks, layers = (networks[1], networks[0]), (layers[1], layers[0])
        numbers = (cell(row, name) for name in ("value", "low", "high", "chance"))
        fold = row.get("fold", "").removeprefix("fold")
        pair = NetworkPair(*networks)
        values.setdefault(pair, []).append(LayerSimilarity(layers, fold, *numbers))
        if row.get("pool") == "gap":
            self._pooled[key].add(pair)

    def _condition(self, task: str, tag: str) -> tuple[str, str]:
        """Returns preprocessing and recipe: as the runs recorded them, else as the tag says."""
        if (task, tag) in self._preprocessings:
            preprocessing = self._preprocessings[task, tag]
            return preprocessing, recipe_of(tag, preprocessing)
        return preprocessing_and_recipe(tag)

    def _network(self, name: str, task: str) -> tuple[ComparedNetwork, str]:
        if (name, task) not in self._names:
            self._names[name, task] = read_name(name, task)
        return self._names[name, task]

    def result(self) -> dict[str, tuple[Representations, ...]]:
        found: dict[str, list[Representations]] = defaultdict(list)
        conditions: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for task, _, _, preprocessing, recipe in self._groups:
            conditions[task].add((preprocessing, recipe))
        ordered = sorted(self._groups.items(), key=lambda item: (item[0][1] != "paper", item[0][2] != "cca", item[0]))
        for key, values in ordered:
            task, protocol, measure, preprocessing, recipe = key
            others = conditions[task] - {(preprocessing, recipe)}
            found[task].append(
                Representations(
                    task, protocol, measure, preprocessing, recipe,
                    other_preprocessings=frozenset(kind for kind, _ in others) - {preprocessing},
                    other_conditions=bool(others),
                    values={pair: tuple(of_pair) for pair, of_pair in values.items()},
                    pooled=frozenset(self._pooled[key]),
                    flagged=tuple(self._flagged[key]),
                    layers={network: self._ordered(task, network) for network in self._layers[task]},
                    covers=self._covers.get(key, ""),
                )
            )  # fmt: skip
        return {task: tuple(of_task) for task, of_task in found.items()}

    def _ordered(self, task: str, network: ComparedNetwork) -> Layers:
        """Returns the layers in the order that the run recorded, else in that of the paper, else of the table."""
        seen = self._layers[task][network]
        for order in (self._recorded.get((task, network.init)), paper.LAYERS):
            if order and set(seen) <= set(order):
                return tuple(layer for layer in order if layer in seen)
        return tuple(seen)


def _rows(workdir: Path, notes: list[Note]) -> Iterator[Row]:
    path = workdir / "results" / "representations.csv"
    if path.exists():
        yield from read_table(path, notes)
    elif parts := sorted(workdir.glob("comparisons/*/fold*.csv")):
        notes.append(TablesNotWritten())
        for part in parts:
            condition = part.stem.partition("-")[2]
            yield from ({**row, "condition": condition} for row in read_table(part, notes))
