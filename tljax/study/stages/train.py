"""The stage that trains the runs of the grid, and writes the tables of their scores."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields

import numpy as np

from tljax.core import runs
from tljax.core.config import TrainConfig
from tljax.core.files import write_csv
from tljax.core.predictions import Predictions
from tljax.statistics.agreement import Agreement, agreement
from tljax.study import authors, repeats
from tljax.study.plan import Plan
from tljax.study.planned import PlannedRun, comparable
from tljax.study.work import WorkItem

ORDER = 20

RUN_COLUMNS = (
    *("task", "init", "freeze", "preprocessing", "seed", "fold", "tag", "auc", "auc_keras", "accuracy", "val_auc"),
    *("epochs", "seconds", "status", "path"),
)
AGREEMENT_COLUMNS = ("task", "model1", "model2", "freeze", "fold", *(field.name for field in fields(Agreement)))


def work(plan: Plan, earlier: Sequence[WorkItem]) -> Iterator[WorkItem]:
    """Yields the unfinished trainings: first those for pre-training, then the runs of each group."""
    unfinished = [run for group in plan.groups for run in group if not run.finished]
    wanted = {run.source for run in unfinished}
    pretrain = [run for run in plan.grid.pretrain if run.folder in wanted and run.status == "unfinished"]
    for run in pretrain:
        yield WorkItem(str(run), functools.partial(train_run, run.config), folder=run.folder)
    name_of_source = {run.folder: str(run) for run in pretrain}
    original_of = repeats.originals(plan.grid.runs)
    for run in unfinished:
        original = original_of.get(run.folder)
        yield WorkItem(
            str(run),
            functools.partial(copy_or_train, run, original) if original else functools.partial(train_run, run.config),
            after=frozenset([str(original)] if original else []),
            needs=frozenset([name_of_source[run.source]] if run.source in name_of_source else []),
            place=run.place,
            folder=run.folder,
        )


def copy_or_train(run: PlannedRun, original: PlannedRun) -> None:
    """Copies a run that would repeat another one, or trains it if that is not possible."""
    if not repeats.copy(run, original):
        train_run(run.config)


def train_run(config: TrainConfig) -> None:
    """Trains or continues a run."""
    from tljax.train.loop import train

    train(config)


def write_tables(plan: Plan) -> None:
    """Writes `runs.csv`, `agreement.csv` and the authors' tables of scores."""
    finished = plan.finished()
    write_csv(plan.results / "runs.csv", RUN_COLUMNS, map(_run_row, plan.grid.runs))
    agreements = list(_agreements(finished))
    write_csv(plan.results / "agreement.csv", AGREEMENT_COLUMNS, agreements)
    if finished:
        authors.write_scores(plan.results, finished, agreements)


def _run_row(planned: PlannedRun) -> tuple:
    config, run = planned.config, runs.read_run(planned.folder)
    result, epochs = ({}, "") if run.status == "corrupt" else (run.result, len(run.metrics))
    test, val = (result.get(part, {}) for part in ("test", "val"))
    return (
        *(config.dataset, planned.label, planned.freeze_name, config.preprocessing, config.seed, config.fold),
        *(planned.condition, test.get("auc"), test.get("auc_keras"), test.get("accuracy"), val.get("auc"), epochs),
        *(result.get("seconds"), run.status, planned.folder.relative_to(config.workdir)),
    )


def _agreements(finished: Sequence[PlannedRun]) -> Iterator[tuple]:
    """Yields the prediction similarity on the test images, for each pair of runs of a group with the same freeze."""
    for group in comparable(finished):
        tests = {run.folder: _test(run) for run in group} if len(group) > 1 else {}
        for one, other in itertools.combinations(group, 2):
            if one.config.freeze == other.config.freeze:
                (first, patients), (second, _) = tests[one.folder], tests[other.folder]
                found = agreement(
                    first.labels,
                    first.probabilities.argmax(axis=1),
                    second.probabilities.argmax(axis=1),
                    patients,
                )
                place = (one.config.dataset, one.variant, other.variant, one.freeze_name, one.config.fold)
                yield *place, *astuple(found)


def _test(planned: PlannedRun) -> tuple[Predictions, list[str] | None]:
    """Returns the test predictions, ordered by file name, and the patients; None if patients are unknown."""
    run = runs.read_run(planned.folder)
    test = run.predictions.of_split("test")
    order = np.argsort(np.array(test.files))
    files = tuple(test.files[row] for row in order)
    patient_of = {row.file: row.patient for row in run.split}
    patients = [patient_of[file] for file in files]
    found = Predictions(files, test.labels[order], test.splits, test.probabilities[order], test.classes)
    return found, patients if all(patients) else None
