"""A workdir as the report sees it: finished runs scored and grouped, the study's tables, and what is not there.

Whatever cannot be read is turned into a remark; only a workdir without a single run folder is an error.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tljax.core.errors import UserError
from tljax.core.runs import Run, find_runs, read_json
from tljax.report.task import Task, make_task, missing
from tljax.report.trials import Trial, check, score
from tljax.report.verdict import adjust, judge

STUDY = "study.json"


@dataclass(frozen=True)
class Study:
    """Everything that the report shows."""

    workdir: Path
    tasks: list[Task]
    runs: list[Run]
    settings: dict[str, Any]
    """`study.json`, or empty."""
    tables: dict[str, list[dict[str, str]]]
    """The tidy tables under `results/`, by stem; rows as they are written."""
    remarks: list[str]

    def of_status(self, status: str) -> list[Run]:
        """`finished`, `unfinished` or `corrupt` runs."""
        return [run for run in self.runs if run.status == status]

    @property
    def not_started(self) -> list[Path]:
        """Run folders that the study has planned and not made, relative to the workdir."""
        made = {_place(self.workdir, run) for run in self.runs}
        return [Path(place) for place in _planned(self.settings) if place not in made]


def gather(workdir: Path) -> Study:
    """Reads a workdir. Raises `UserError` where it holds no run folder at all."""
    workdir = Path(workdir)
    remarks: list[str] = []
    runs = [_checked(run) for run in find_runs(workdir)]
    if not runs:
        raise UserError(
            f"{workdir} holds no run folder (<task>/<init>-<freeze|nofreeze>/fold<k>); train something there first"
        )
    settings = _settings(workdir / STUDY, remarks)
    sources = _sources(runs, settings)
    trials: list[Trial] = []
    for number, run in enumerate(runs):
        if run.status != "finished":
            continue
        if run in sources:
            remarks.append(f"{_place(workdir, run)} is left out of the answer: others start from it.")
            continue
        try:
            trials.append(score(run))
        except UserError as error:
            runs[number] = _corrupt(run, error)
    by_task: dict[str, list[Trial]] = defaultdict(list)
    for trial in _once_each(workdir, trials, _planned(settings), remarks):
        by_task[trial.run.task].append(trial)
    in_plan = list(dict.fromkeys(place.partition("/")[0] for place in _planned(settings)))
    names = sorted(by_task, key=lambda name: (in_plan.index(name) if name in in_plan else len(in_plan), name))
    tasks = [make_task(name, by_task[name]) for name in names]
    _judge(tasks)
    tables = dict(_read_tables(workdir, remarks))
    return Study(workdir, tasks, runs, settings, tables, remarks)


def _place(workdir: Path, run: Run) -> str:
    return run.path.relative_to(workdir).as_posix()


def _checked(run: Run) -> Run:
    try:
        if run.status != "corrupt":
            check(run)
    except UserError as error:
        return _corrupt(run, error)
    return run


def _corrupt(run: Run, error: UserError) -> Run:
    return Run(run.path, run.task, run.init, run.freeze, run.tag, run.fold, "corrupt", str(error))


def _settings(path: Path, remarks: list[str]) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return read_json(path)
    except UserError as error:
        remarks.append(str(error))
        return {}


def _planned(settings: Mapping[str, Any]) -> list[str]:
    planned = settings.get("planned")
    return [str(place) for place in planned] if isinstance(planned, list) else []


def _sources(runs: Sequence[Run], settings: Mapping[str, Any]) -> list[Run]:
    """Runs that are pre-training, not an answer: what the study says is, or what others start from and stands alone."""
    config = settings.get("config")
    config = config if isinstance(config, dict) else {}
    pretrain = {str(run.get("dataset")) for run in config.get("pretrain") or () if isinstance(run, dict)}
    pretrain -= set(map(str, config.get("tasks") or ()))
    started_from = {Path(str(run.settings.get("init", ""))).parts[-3:] for run in runs if run.status != "corrupt"}
    variants: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        variants[run.task].add(run.path.parent.name)
    used = {run.task for run in runs if run.path.parts[-3:] in started_from}
    alone = {task for task in used if len(variants[task]) == 1}
    return [run for run in runs if run.task in pretrain | alone]


def _once_each(workdir: Path, trials: Sequence[Trial], planned: Sequence[str], remarks: list[str]) -> Iterator[Trial]:
    """No seed weighs twice: of runs that repeat each other, that of the plan, or else the first."""
    kept: dict[tuple, Trial] = {}
    for trial in sorted(trials, key=lambda trial: _place(workdir, trial.run) not in planned):
        first = kept.setdefault((trial.run.task, trial.arm, trial.run.fold, trial.seed), trial)
        if first is not trial:
            again, kept_run = (_place(workdir, of.run) for of in (trial, first))
            remarks.append(f"{again} is left out: it repeats {kept_run}, in condition, fold and seed.")
    return iter(sorted(kept.values(), key=lambda trial: trial.run.path))


def _judge(tasks: Sequence[Task]) -> None:
    """Adjusts the pairs over tasks, those of the verdicts as one family, and of other conditions each by itself."""
    others = {condition for task in tasks for condition in task.pairs if condition != task.condition}
    families = [{task.name: task.condition for task in tasks}] + [
        {task.name: condition for task in tasks if condition in task.pairs and condition != task.condition}
        for condition in sorted(others)
    ]
    by_name = {task.name: task for task in tasks}
    for family in families:
        adjusted = adjust({name: by_name[name].pairs[condition] for name, condition in family.items()})
        for name, condition in family.items():
            by_name[name].pairs[condition] = adjusted[name]
    for task in tasks:
        task.verdict = judge(task.evidence[task.condition], task.pairs[task.condition])
        task.remarks += missing(task)


def _read_tables(workdir: Path, remarks: list[str]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    path = workdir / "results" / "representations.csv"
    if path.exists():
        yield "representations", _read_rows(path, remarks)
    elif parts := sorted(workdir.glob("comparisons/*/fold*.csv")):
        remarks.append(
            "The study's tables are not written yet: representations are shown as far as comparisons/ holds them. "
            "Run the study's command again to write results/."
        )
        yield (
            "representations",
            [{**row, "condition": path.stem.partition("-")[2]} for path in parts for row in _read_rows(path, remarks)],
        )


def _read_rows(path: Path, remarks: list[str]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            return [row for row in csv.DictReader(lines) if None not in row and None not in row.values()]
    except (UnicodeDecodeError, csv.Error) as error:
        remarks.append(f"{path} is not a CSV file ({error}).")
        return []
