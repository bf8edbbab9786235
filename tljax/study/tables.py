"""The tables of a study, made from what lies on disk: tidy ones, and the authors' own schemas for their scripts."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from tljax import runs
from tljax.agreement import Agreement, agreement
from tljax.config import StudyConfig
from tljax.files import write_csv
from tljax.study import comparing
from tljax.study.grid import Cell, Grid

RESULTS = "results"
LAYERS = ("conv1", "block1", "block2", "block3", "block4")
RUNS = (
    *("task", "init", "freeze", "preprocessing", "seed", "fold", "tag", "auc", "auc_keras", "accuracy", "val_auc"),
    *("epochs", "seconds", "status", "path"),
)
AGREEMENT = ("task", "model1", "model2", "freeze", "fold", *(field.name for field in fields(Agreement)))
AUTHORS_NAMES = {"imagenet": "ImageNet", "radimagenet": "RadImageNet"}


def write_tables(config: StudyConfig, grid: Grid) -> Path:
    """Writes `results/` from every finished run and comparison of the grid; returns the folder."""
    folder = config.workdir / RESULTS
    finished = [cell for cell in grid.cells if cell.finished]
    representations = [row for cells in comparable(finished) for row in comparing.read(cells)]
    write_csv(folder / "runs.csv", RUNS, map(_run_row, grid.cells))
    if representations:
        columns = dict.fromkeys(key for row in representations for key in row)
        rows = ([row.get(key, "") for key in columns] for row in representations)
        write_csv(folder / "representations.csv", columns, rows)
    agreements = list(_agreements(finished))
    write_csv(folder / "agreement.csv", AGREEMENT, agreements)
    if finished:
        _write_authors(folder, finished[0].condition, finished, representations, agreements)
    return folder


def comparable(cells: Iterable[Cell]) -> list[list[Cell]]:
    """The runs that share task, fold and condition, together."""
    groups: dict[tuple, list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.config.dataset, cell.config.fold, cell.condition), []).append(cell)
    return list(groups.values())


def _run_row(cell: Cell) -> tuple:
    config, run = cell.config, runs.read_run(cell.folder)
    test, val = (run.result.get(part, {}) for part in ("test", "val"))
    return (
        *(config.dataset, cell.label, "freeze" if config.freeze else "nofreeze", config.preprocessing, config.seed),
        *(config.fold, cell.condition, test.get("auc"), test.get("auc_keras"), test.get("accuracy"), val.get("auc")),
        *(len(run.metrics), run.result.get("seconds"), run.status, cell.folder.relative_to(config.workdir)),
    )


def _agreements(finished: Sequence[Cell]) -> Iterator[tuple]:
    """Prediction similarity on the test images, of every two initialisations that were fine-tuned alike."""
    for cells in comparable(finished):
        for one, other in itertools.combinations(cells, 2):
            if one.config.freeze == other.config.freeze:
                first, second = (_test(cell) for cell in (one, other))
                patient_of = {row.file: row.patient for row in runs.read_run(one.folder).split}
                patients = [patient_of[file] for file in first.files]
                found = agreement(
                    first.labels,
                    first.probabilities.argmax(axis=1),
                    second.probabilities.argmax(axis=1),
                    patients if all(patients) else None,
                )
                freeze = "freeze" if one.config.freeze else "nofreeze"
                yield one.config.dataset, one.variant, other.variant, freeze, one.config.fold, *astuple(found)


def _test(cell: Cell) -> runs.Predictions:
    """In the order of the file names."""
    test = runs.read_run(cell.folder).predictions.of_split("test")
    order = np.argsort(np.array(test.files))
    return runs.Predictions(
        tuple(test.files[row] for row in order),
        test.labels[order],
        test.splits,
        test.probabilities[order],
        test.classes,
    )


def _write_authors(
    folder: Path,
    condition: str,
    finished: Sequence[Cell],
    representations: list[dict[str, str]],
    agreements: list[tuple],
) -> None:
    """The authors' tables know one condition: the first of the grid."""
    cells = [cell for cell in finished if cell.condition == condition]
    cells.sort(key=lambda cell: cell.config.freeze)  # their figure's legend counts on this order
    names = {cell.variant: cell for cell in cells}
    aucs = [
        (cell.config.dataset, authors_name(cell.label), _frozen(cell), f"fold{cell.config.fold}", _auc(cell))
        for cell in cells
    ]
    write_csv(folder / "AUC.csv", ("target", "source", "freeze", "fold", "AUC"), aucs)

    columns = ("model1", "model2", "fold", "stimuli", *LAYERS)
    similar = list(_authors_cca(representations, names))
    for task in dict.fromkeys(cell.config.dataset for cell in cells):
        write_csv(folder / f"CCA_{task}.csv", columns, (row for row in similar if row[3] == task))
    for init, short in (("imagenet", "ImNet"), ("radimagenet", "RadNet")):
        name = AUTHORS_NAMES[init]
        before_after = [row for row in similar if row[:2] == (f"{row[3]}-{name}-freezeFalse", name)]
        if before_after:
            write_csv(folder / f"simVSauc{short}.csv", columns, before_after)

    pair = list(dict.fromkeys(cell.label for cell in cells))[:2]  # their figure does not tell pairs apart
    rows = []
    for task, one, other, _, fold, observed, independent, *_ in agreements:
        if one in names and other in names and [names[one].label, names[other].label] == pair:
            key = (task, *map(authors_name, pair), _frozen(names[one]), f"fold{fold}")
            rows += [(*key, "real", observed), (*key, "rand", independent)]
    write_csv(folder / "similarity.csv", ("target", "model1", "model2", "freeze", "fold", "prob", "value"), rows)


def _authors_cca(representations: Iterable[dict[str, str]], names: dict[str, Cell]) -> Iterator[tuple]:
    """Mean CCA by the paper's protocol, a row a pair of networks and fold."""
    layers: dict[tuple[str, str, str, str], dict[str, str]] = {}
    for row in representations:
        if row["protocol"] == "paper" and row["measure"] == "cca":
            models = (_authors_model(row["task"], row[side], names) for side in ("model1", "model2"))
            layers.setdefault((*models, f"fold{row['fold']}", row["task"]), {})[row["layer1"]] = row["value"]
    for key, values in layers.items():
        if None not in key:
            yield *key, *(values.get(layer, "") for layer in LAYERS)


def _authors_model(task: str, name: str, names: dict[str, Cell]) -> str | None:
    """None for a network of another condition."""
    if name in names:
        return f"{task}-{authors_name(names[name].label)}-{_frozen(names[name])}"
    is_before = name.startswith("random:") or name in {cell.label for cell in names.values()}
    return authors_name(name.partition(":")[0]) if is_before else None


def authors_name(init: str) -> str:
    """As the authors write it."""
    return AUTHORS_NAMES.get(init, init)


def _frozen(cell: Cell) -> str:
    return f"freeze{cell.config.freeze}"


def _auc(cell: Cell) -> float:
    return runs.read_run(cell.folder).result["test"]["auc"]
