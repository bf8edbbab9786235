"""Writes tables in the schemas and order of the paper's authors, for their plotting scripts.

The scripts expect one condition per network, so for every task only the first condition with a finished run is written.
They expect the grid of `configs/paper.py`, over any of its tasks; docs/architecture.md says what each script needs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tljax.core import paper, runs
from tljax.core.files import write_csv
from tljax.core.predictions import read_predictions
from tljax.statistics import metrics
from tljax.study.planned import PlannedRun

CCA_KEYS = ("task", "condition", "fold", "model1", "model2", "layer1", "value")
"""The columns of `representations.csv` from which the tables of mean CCA are made."""


def write_scores(folder: Path, finished: Sequence[PlannedRun], agreements: Iterable[tuple]) -> None:
    """Writes `AUC.csv`, `AUC_held_out.csv` and `similarity.csv`.

    `AUC.csv` holds AUCs of the test images. The published AUC.csv is of validation and test images together, so compare
    it with `AUC_held_out.csv`. agreements: the rows of `agreement.csv`.
    """
    chosen = _of_first_condition(finished)
    tasks = _positions(run.config.dataset for run in chosen)
    order = sorted(chosen, key=lambda run: (run.label == "random", tasks[run.config.dataset], run.config.freeze))
    write_csv(folder / "AUC.csv", paper.AUC_COLUMNS, (_auc_row(run, _test_auc(run)) for run in order))
    write_csv(folder / "AUC_held_out.csv", paper.AUC_COLUMNS, (_auc_row(run, _held_out_auc(run)) for run in order))
    write_csv(folder / "similarity.csv", paper.SIMILARITY_COLUMNS, _similarity_rows(agreements, chosen))


def write_representations(folder: Path, finished: Sequence[PlannedRun], mean_cca: Iterable[Mapping[str, str]]) -> None:
    """Writes `CCA_<task>.csv` and `simVSauc{ImNet,RadNet}.csv`.

    mean_cca: rows of mean CCA by the paper's protocol without a flag, with the keys CCA_KEYS.
    """
    chosen = _of_first_condition(finished)
    condition_of = {run.config.dataset: run.condition for run in chosen}
    found = list(_cca_rows((row for row in mean_cca if row["condition"] == condition_of[row["task"]]), chosen))
    by_task: dict[str, list[tuple]] = {task: [] for task in condition_of}
    for row in found:
        by_task[row[3]].append(row)
    for task, rows in by_task.items():
        pairs = _positions(row[:2] for row in rows)
        write_csv(folder / f"CCA_{task}.csv", paper.CCA_COLUMNS, sorted(rows, key=lambda row: pairs[tuple(row)[:2]]))
    for init, short in (("imagenet", "ImNet"), ("radimagenet", "RadNet")):
        name = paper.INIT_NAMES[init]
        before_after = [row for row in found if row[:2] == (f"{row[3]}-{name}-freezeFalse", name)]
        if before_after:
            write_csv(folder / f"simVSauc{short}.csv", paper.CCA_COLUMNS, before_after)


def _of_first_condition(finished: Sequence[PlannedRun]) -> list[PlannedRun]:
    first = {run.config.dataset: run.condition for run in reversed(finished)}
    return [run for run in finished if run.condition == first[run.config.dataset]]


def _positions(values: Iterable) -> dict:
    """Returns the position of each value among the distinct values."""
    return {value: number for number, value in enumerate(dict.fromkeys(values))}


def _test_auc(run: PlannedRun) -> float | None:
    return runs.read_json(run.folder / runs.RESULT)["test"]["auc"]


def _held_out_auc(run: PlannedRun) -> float:
    found = read_predictions(run.folder / runs.PREDICTIONS)  # of validation and test images
    return metrics.auc(found.labels, found.probabilities)


def _auc_row(run: PlannedRun, auc: float | None) -> tuple:
    return run.config.dataset, _name(run.label), _frozen(run), f"fold{run.config.fold}", auc


def _cca_rows(mean_cca: Iterable[Mapping[str, str]], chosen: Sequence[PlannedRun]) -> Iterator[tuple]:
    """Yields mean CCA by the paper's protocol, one row per pair of networks and fold."""
    of_variant = {run.variant: run for run in chosen}
    labels = {run.label for run in of_variant.values()}
    layers: dict[tuple, dict[str, str]] = {}
    for row in mean_cca:
        models = (_model(row["task"], row[side], of_variant, labels) for side in ("model1", "model2"))
        layers.setdefault((*models, f"fold{row['fold']}", row["task"]), {})[row["layer1"]] = row["value"]
    for key, values in layers.items():
        if None not in key and not values.keys().isdisjoint(paper.LAYERS):
            yield *key, *(values.get(layer, "") for layer in paper.LAYERS)


def _model(task: str, name: str, of_variant: Mapping[str, PlannedRun], labels: set[str]) -> str | None:
    """Returns the authors' name of a network; None if it has another condition."""
    if name in of_variant:
        return f"{task}-{_name(of_variant[name].label)}-{_frozen(of_variant[name])}"
    return _name(name.partition(":")[0]) if name.startswith("random:") or name in labels else None


def _similarity_rows(agreements: Iterable[tuple], chosen: Sequence[PlannedRun]) -> Iterator[tuple]:
    """Yields the rows of the first two initialisations of the grid, because the authors' figure shows one pair.

    `rand` has the correct formula for independent predictions. The value by the authors' formula, which squares one
    accuracy, is in `agreement.csv`.
    """
    of_variant = {run.variant: run for run in chosen}
    pair = list(dict.fromkeys(run.label for run in of_variant.values()))[:2]
    agreements = list(agreements)
    tasks = _positions(row[0] for row in agreements)
    for task, one, other, _, fold, observed, independent, *_ in sorted(
        agreements, key=lambda row: (tasks[row[0]], row[3] == "freeze")
    ):
        both = [of_variant[name] for name in (one, other) if name in of_variant]
        if [run.label for run in both] == pair:
            key = (task, *map(_name, pair), _frozen(both[0]), f"fold{fold}")
            yield *key, "real", observed
            yield *key, "rand", independent


def _name(init: str) -> str:
    return paper.INIT_NAMES.get(init, init)


def _frozen(run: PlannedRun) -> str:
    return f"freeze{run.config.freeze}"
