"""Analyses a study's folder: everything that the report shows, computed once and not changed afterwards.

A file that cannot be read becomes a note. A folder without any run folder is an error.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tljax.core.errors import UserError
from tljax.core.runs import CONFIG, Status, read_json
from tljax.report.analysis.comparisons import ConditionResult, compare_task
from tljax.report.analysis.conditions import FREEZE, PREPROCESSING, Arm, Axis, Condition
from tljax.report.analysis.contrasts import Contrast, contrasts
from tljax.report.analysis.explanations import Explanation, find_explanations
from tljax.report.analysis.notes import Note, PreTraining, Repeated, Unreadable
from tljax.report.analysis.prediction_similarity import PredictionSimilarity, prediction_similarities
from tljax.report.analysis.representations import Representations, of_verdict, read_representations
from tljax.report.analysis.screening import Screening, read_screening
from tljax.report.analysis.tasks import ArmResult, TaskFacts, TaskRuns, group_task
from tljax.report.analysis.trials import RunRecord, Trial, read_trials
from tljax.report.analysis.verdict import Verdict, judge

STUDY = "study.json"


@dataclass(frozen=True)
class Task:
    """What the finished runs of one task show."""

    facts: TaskFacts
    arms: tuple[ArmResult, ...]
    """The verdict's condition first; in each condition the highest mean AUC first."""
    condition: Condition
    """Under which the verdict is given."""
    results: Mapping[Condition, ConditionResult]
    verdict: Verdict
    predictions: Mapping[Condition, tuple[PredictionSimilarity, ...]]
    contrasts: Mapping[Axis, tuple[Contrast, ...]]
    representations: tuple[Representations, ...]
    """The paper's protocol and CCA first."""
    main_representations: Representations | None
    """Those under the verdict's condition, by the first protocol and measure."""
    screening: Screening | None
    notes: tuple[Note, ...]

    @property
    def name(self) -> str:
        """The task's name."""
        return self.facts.name

    @property
    def conditions(self) -> list[Condition]:
        """All conditions, that of the verdict first."""
        return list(self.results)

    @property
    def trials(self) -> Iterator[Trial]:
        """All finished runs."""
        return (trial for arm in self.arms for trial in arm.trials)

    @property
    def several_seeds(self) -> bool:
        """Whether the runs have more than one seed."""
        return len({trial.seed for trial in self.trials}) > 1

    def under(self, condition: Condition) -> list[ArmResult]:
        """Returns the arms of a condition, the highest mean AUC first."""
        return [arm for arm in self.arms if arm.condition == condition]


@dataclass(frozen=True)
class Study:
    """Everything that the report shows."""

    workdir: Path
    settings: Mapping[str, Any]
    """`study.json`, or empty."""
    runs: tuple[RunRecord, ...]
    tasks: tuple[Task, ...]
    explanations: tuple[Explanation, ...]
    notes: tuple[Note, ...]

    @property
    def trials(self) -> list[Trial]:
        """The finished runs of all tasks."""
        return [trial for task in self.tasks for trial in task.trials]

    @property
    def planned(self) -> list[str]:
        """The run folders that the study plans, relative to its own."""
        return planned(self.settings)

    @property
    def not_started(self) -> list[str]:
        """The planned run folders that do not exist yet."""
        made = {run.place for run in self.runs}
        return [place for place in self.planned if place not in made]

    def of_status(self, status: Status) -> list[RunRecord]:
        """Returns the finished, unfinished or corrupt runs."""
        return [run for run in self.runs if run.status == status]


def analyse(workdir: Path) -> Study:
    """Reads and analyses a study's folder.

    Raises:
        UserError: the folder does not exist or holds no run folder.
    """
    workdir = Path(workdir)
    runs, trials = read_trials(workdir)
    if not runs:
        if (workdir / CONFIG).is_file() and len(parents := workdir.resolve().parents) > 2:
            raise UserError(f"{workdir} is the folder of one run; name the --workdir that it is in: {parents[2]}")
        raise UserError(
            f"{workdir} holds no run folder (<task>/<init>-<freeze|nofreeze>/fold<k>): run a training or a study with "
            f"--workdir {workdir} first"
        )
    settings, notes = _settings(workdir / STUDY)
    if _config(settings).get("inits") == ["shortlist"]:
        trials = list(map(_named_as_candidate, trials))
    of_task: dict[str, list[Trial]] = defaultdict(list)
    for trial in _compared(runs, trials, settings, notes):
        of_task[trial.run.task].append(trial)
    representations, more = read_representations(workdir, runs)
    notes += more
    tasks = []
    for name in _in_planned_order(of_task, settings):
        grouped = group_task(name, of_task[name])
        screening = read_screening(workdir, grouped, len(of_task) == 1, notes)
        tasks.append(_analyse_task(grouped, representations.get(name, ()), screening))
    explanations, more = find_explanations(workdir, [task.name for task in tasks])
    return Study(workdir, settings, tuple(runs), tuple(tasks), explanations, (*notes, *more))


def _named_as_candidate(trial: Trial) -> Trial:
    """Returns a trial of a study of a shortlist with the name that its network has in the screening.

    Such a study tags runs from random weights with their backbone, because several backbones may be random. The tag is
    not a condition there: `random` with the tag `resnet18` is the candidate `random (resnet18)`.
    """
    backbone, condition = trial.run.settings.get("backbone"), trial.arm.condition
    if trial.arm.init != "random" or condition.tag != backbone:
        return trial
    return replace(trial, arm=Arm(f"random ({backbone})", replace(condition, tag="")))


def _analyse_task(runs: TaskRuns, representations: tuple[Representations, ...], screening: Screening | None) -> Task:
    results, left_out = compare_task(runs)
    of_condition = {
        condition: [arm for arm in runs.arms if arm.condition == condition] for condition in results
    }  # fmt: skip
    of_verdict_condition = results[runs.condition]
    return Task(
        facts=runs.facts,
        arms=runs.arms,
        condition=runs.condition,
        results=results,
        verdict=judge(of_verdict_condition.evidence, of_verdict_condition.pairs),
        predictions={c: prediction_similarities(of_condition[c], result) for c, result in results.items()},
        contrasts={axis: contrasts(runs.arms, runs.facts.test_to_train, axis) for axis in (PREPROCESSING, FREEZE)},
        representations=representations,
        main_representations=of_verdict(representations, runs),
        screening=screening,
        notes=(*runs.notes, *left_out),
    )


def planned(settings: Mapping[str, Any]) -> list[str]:
    """Returns the run folders that a `study.json` plans; empty where it names none."""
    found = settings.get("planned")
    return [str(place) for place in found] if isinstance(found, list) else []


def _config(settings: Mapping[str, Any]) -> dict[str, Any]:
    config = settings.get("config")
    return config if isinstance(config, dict) else {}


def _settings(path: Path) -> tuple[dict[str, Any], list[Note]]:
    if not path.exists():
        return {}, []
    try:
        return read_json(path), []
    except UserError as error:
        return {}, [Unreadable(f"{error}.")]


def _in_planned_order(names: Iterable[str], settings: Mapping[str, Any]) -> list[str]:
    order = {name: number for number, name in enumerate(dict.fromkeys(p.partition("/")[0] for p in planned(settings)))}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def _compared(
    runs: Sequence[RunRecord], trials: Sequence[Trial], settings: Mapping[str, Any], notes: list[Note]
) -> list[Trial]:
    """Returns the trials to compare: without pre-training, and each seed of a fold once."""
    sources = _sources(runs, settings)
    kept: dict[tuple[str, Arm, int, int], Trial] = {}
    intended = set(planned(settings))
    compared = [trial for trial in trials if trial.run.place not in sources]
    notes += [PreTraining(trial.run.place) for trial in trials if trial.run.place in sources]
    for trial in sorted(compared, key=lambda trial: trial.run.place not in intended):
        first = kept.setdefault((trial.run.task, trial.arm, trial.fold, trial.seed), trial)
        if first is not trial:
            notes.append(Repeated(trial.run.place, first.run.place))
    return sorted(kept.values(), key=lambda trial: trial.run.place)


def _sources(runs: Sequence[RunRecord], settings: Mapping[str, Any]) -> set[str]:
    """Returns the runs that are pre-training.

    These are the runs that the study declares as such, and runs from which others start if their task has no variant
    to compare them with.
    """
    config = _config(settings)
    pretrain = {str(run.get("dataset")) for run in config.get("pretrain") or () if isinstance(run, dict)}
    pretrain -= set(map(str, config.get("tasks") or ()))
    started_from = {"/".join(Path(str(run.settings.get("init", ""))).parts[-3:]) for run in runs}
    variants: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        variants[run.task].add(run.place.rpartition("/")[0])
    used = {run.task for run in runs if run.place in started_from}
    alone = {task for task in used if len(variants[task]) == 1}
    return {run.place for run in runs if run.task in pretrain | alone}
