"""Sentences on what the analysis left out and on what the runs cannot show."""

from collections import defaultdict
from typing import Any

from tljax.core.errors import counted
from tljax.report.analysis import notes
from tljax.report.analysis.conditions import Arm
from tljax.report.analysis.notes import Note
from tljax.report.analysis.study import Study
from tljax.report.wording.names import condition_name, init_name, init_start, listed


def what_is_missing(study: Study) -> list[str]:
    """Returns a sentence for everything that is missing in a study or cannot be concluded from it."""
    lines = [f"Unfinished run {run.place}: {run.problem}." for run in study.of_status("unfinished")]
    lines += [f"Unreadable run {run.place}: {run.problem}." for run in study.of_status("corrupt")]
    waiting: dict[str, list[str]] = defaultdict(list)
    failed = study.settings.get("failed")
    for place in study.not_started:
        variant, _, fold = place.rpartition("/")
        number = fold.removeprefix("fold")
        if not (isinstance(failed, dict) and f"{variant.replace('/', ' ')} fold {number}" in failed):
            waiting[variant].append(number)
    lines += [f"Not started: {variant}, {folds_of(numbers)}." for variant, numbers in waiting.items()]
    for key, label in (("failed", "Failed"), ("left_out", "Left out")):
        lines += [f"{label}: {entry}" for entry in _entries(study.settings.get(key))]
    tasks_of: dict[str, list[str]] = defaultdict(list)
    for task in study.tasks:
        for note in task.notes:
            tasks_of[note_sentence(note)].append(task.name)
    lines += [f"{listed(names)}: {text}" for text, names in tasks_of.items()]
    return lines + [note_sentence(note) for note in study.notes]


def warnings(study: Study) -> list[str]:
    """Returns what a reader must know before the verdict: leakage of patients that the user permitted."""
    lines = []
    for task in study.tasks:
        allowed = [trial for trial in task.trials if trial.run.settings.get("allow_leakage")]
        if not allowed:
            continue
        shared = set().union(*(trial.images.in_several_parts for trial in allowed))
        if not shared:
            continue
        folds = folds_of([str(fold) for fold in sorted({trial.fold for trial in allowed})])
        group, verb = counted(len(shared), task.facts.group), "has" if len(shared) == 1 else "have"
        lines.append(
            f"{task.name}: {group} {verb} images in more than one part of {folds}, which --allow-leakage permitted. "
            "Every AUC of this task is likely to be too high."
        )
    return lines


def folds_of(numbers: list[str]) -> str:
    """Returns `fold 3` or `folds 3 and 4`."""
    return f"fold{'s' * (len(numbers) > 1)} {listed(numbers)}"


def note_sentence(note: Note) -> str:
    """Returns the sentence of a note."""
    match note:
        case notes.Unreadable(message):
            return message
        case notes.PreTraining(place):
            return f"{place} is pre-training: other runs start from it, and it is not compared with them."
        case notes.Repeated(place, kept):
            return f"{place} is left out: {kept} has the same condition, fold and seed."
        case notes.TablesNotWritten():
            return (
                "The tables of the study are not written yet. Representations are shown as far as comparisons/ has "
                "them. Run the command of the study again to write results/."
            )
        case notes.OtherClasses(count, classes):
            left_out = "1 run is left out because its" if count == 1 else f"{count} runs are left out because their"
            return f"{left_out} classes are not {listed(classes)}."
        case notes.TooFewFolds(arm):
            return f"{_arm(arm)} shares too few finished folds with the others and is not compared with them."
        case notes.MissingFolds(arm, folds):
            return f"{_arm(arm)} has no finished run of {folds_of(list(map(str, folds)))}."
        case notes.AbsentClasses(inits, fold, classes, undefined):
            effect = "The AUC is undefined" if undefined else f"The AUC leaves out {listed(classes)}"
            names = listed([init_name(init) for init in inits])
            return f"fold {fold} ({names}) has no test image of {listed(classes)}. {effect}."
        case notes.UnknownGroups(group):
            return (
                f"It is not known which images are of the same {group}. If some {group}s have several images, "
                f"training and test may share {group}s, and every AUC is then likely to be too high."
            )
        case notes.OneFold():
            return "There is one fold. How much the result depends on the choice of training images is not known."
        case notes.OneSeed():
            return "All runs have the same seed. How much the result depends on the seed is not known."


def _arm(arm: Arm) -> str:
    return f"{init_start(arm.init)} ({condition_name(arm.condition)})"


def _entries(value: Any) -> list[str]:
    """The entries of `failed` or `left_out` in `study.json`."""
    if isinstance(value, dict):
        return [f"{key}: {reason}" for key, reason in value.items()]
    if not isinstance(value, list):
        return []
    return [
        ", ".join(f"{k} {v}" for k, v in entry.items()) if isinstance(entry, dict) else str(entry) for entry in value
    ]
