"""The tables of a study, made from what lies on disk."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from tljax.core import runs
from tljax.core.config import StudyConfig
from tljax.core.files import write_csv
from tljax.statistics.agreement import Agreement, agreement
from tljax.study import comparing
from tljax.study.authors import write_authors
from tljax.study.cell import Cell
from tljax.study.grid import Grid

RESULTS = "results"
RUNS = (
    *("task", "init", "freeze", "preprocessing", "seed", "fold", "tag", "auc", "auc_keras", "accuracy", "val_auc"),
    *("epochs", "seconds", "status", "path"),
)
AGREEMENT = ("task", "model1", "model2", "freeze", "fold", *(field.name for field in fields(Agreement)))
GAIN = ("task", "init", "freeze", "tag", "fold", "layer", "similarity", "gain")


def write_tables(config: StudyConfig, grid: Grid) -> Path:
    """Writes `results/` from every finished run and comparison of the grid; returns the folder."""
    folder = config.workdir / RESULTS
    finished = [cell for cell in grid.cells if cell.finished]
    representations = [
        row | {"condition": cells[0].condition} for cells in comparable(finished) for row in comparing.read(cells)
    ]
    sound = [row for row in representations if not row["flag"]]
    write_csv(folder / "runs.csv", RUNS, map(_run_row, grid.cells))
    if representations:
        columns = dict.fromkeys(key for row in representations for key in row)
        rows = ([row.get(key, "") for key in columns] for row in representations)
        write_csv(folder / "representations.csv", columns, rows)
    agreements = list(_agreements(finished))
    write_csv(folder / "agreement.csv", AGREEMENT, agreements)
    if finished:
        write_csv(folder / "gain.csv", GAIN, _gains(finished, sound))
        write_authors(folder, finished, sound, agreements)
    return folder


def comparable(cells: Iterable[Cell]) -> list[list[Cell]]:
    """The runs that share task, fold and condition, together."""
    groups: dict[tuple, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.place, []).append(cell)
    return list(groups.values())


def _run_row(cell: Cell) -> tuple:
    config, run = cell.config, runs.read_run(cell.folder)
    result, epochs = ({}, "") if run.status == "corrupt" else (run.result, len(run.metrics))
    test, val = (result.get(part, {}) for part in ("test", "val"))
    return (
        *(config.dataset, cell.label, "freeze" if config.freeze else "nofreeze", config.preprocessing, config.seed),
        *(config.fold, cell.condition, test.get("auc"), test.get("auc_keras"), test.get("accuracy"), val.get("auc")),
        *(epochs, result.get("seconds"), run.status, cell.folder.relative_to(config.workdir)),
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


def _gains(finished: Sequence[Cell], representations: Iterable[Mapping[str, str]]) -> Iterator[tuple]:
    """Mean CCA before and after fine-tuning (the paper's protocol) beside the relative AUC gain over random."""
    by_variant = {(*cell.place[:2], cell.variant): cell for cell in finished}
    random = {cell.place: _auc(cell) for cell in finished if cell.label == "random"}
    for row in representations:
        cell = by_variant.get((row["task"], int(row["fold"]), row["model1"]))
        if not cell or cell.label == "random" or not random.get(cell.place):
            continue
        if (row["protocol"], row["measure"], row["model2"]) == ("paper", "cca", cell.label):
            gain = _auc(cell) / random[cell.place] - 1
            freeze = "freeze" if cell.config.freeze else "nofreeze"
            yield row["task"], cell.label, freeze, cell.condition, row["fold"], row["layer1"], row["value"], gain


def _auc(cell: Cell) -> float:
    return runs.read_run(cell.folder).result["test"]["auc"]
