"""The CLAIM checklist, with the items filled in that the run folders answer.

The checklist has the 44 items of CLAIM, 2024 update (Tejani et al., Radiology: Artificial Intelligence 2024, doi
10.1148/ryai.240300), in our own words.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import tljax
from tljax.core.errors import counted
from tljax.report.analysis.study import Study, Task
from tljax.report.wording import settings, statistics
from tljax.report.wording.names import init_name, listed, sentence

AUTHOR = "For the author to supply."


@dataclass(frozen=True)
class Item:
    """One item of the checklist; `answer` is `AUTHOR` where the program cannot know it."""

    number: int
    section: str
    asks: str
    answer: str

    @property
    def known(self) -> bool:
        """Whether the program filled it in."""
        return self.answer != AUTHOR


def checklist(study: Study) -> list[Item]:
    """Returns all items, with the answers that the run folders give."""
    answers = _answers(study)
    text = files("tljax.report.wording").joinpath("claim.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return [Item(int(r["item"]), r["section"], r["asks"], answers.get(int(r["item"])) or AUTHOR) for r in rows]


def _answers(study: Study) -> dict[int, str]:
    trials = study.trials
    if not trials:
        return {}

    def each(sentence: Callable[[Task], str]) -> str:
        return " ".join(map(sentence, study.tasks))

    return {
        6: "Exploratory comparison of initialisations for transfer learning.",
        7: "; ".join(
            f"{task.facts.card.get('title', task.name)}: {task.facts.card.get('source', '')}" for task in study.tasks
        ),
        9: settings.preprocessing(trials),
        10: each(_subsets),
        12: _unreadable(study),
        19: each(settings.partitions),
        20: each(settings.disjointness),
        21: each(lambda task: f"{task.name}: {task.facts.units} {task.facts.unit} were available."),
        22: f"{settings.architectures(trials)}. {settings.head(trials)}",
        23: settings.versions(study),
        24: _initialisation(study),
        25: settings.training(trials),
        26: settings.selection(trials),
        27: "None. Every network is evaluated by itself.",
        28: "AUC (two classes: of the second class; more classes: each class against the rest, weighted by "
        "prevalence); accuracy, balanced accuracy, F1, sensitivity at 95 % specificity, Brier score, expected "
        "calibration error.",
        29: "Each run: an interval of the AUC that takes patients as independent, or images where patients are not "
        f"known. {statistics.tests(study)}".rstrip(),
        30: _robustness(study),
        31: _explainability(study),
        32: each(lambda task: f"{task.name}: the test images of {counted(len(task.facts.folds), 'fold')}."),
        33: "None. All test images come from the archive of the task.",
        35: each(_numbers),
        37: "The tables and figures of this report.",
        38: "The intervals in the tables of this report.",
        39: _failures(study),
        43: f"Software: tljax {tljax.__version__}, Apache-2.0. Data and weights have licences of their own. "
        + each(lambda task: f"{task.name}: {task.facts.card.get('licence') or 'licence not recorded'}."),
    }


def _subsets(task: Task) -> str:
    classes = f"{len(task.facts.classes)} classes: {listed(task.facts.classes)}"
    return f"{task.name}: all images that the task defines and the folds name ({classes})."


def _skipped(task: Task) -> set[str]:
    return {str(name) for trial in task.trials for name in trial.run.facts.get("skipped", [])}


def _unreadable(study: Study) -> str:
    skipped = sorted(set().union(*map(_skipped, study.tasks)))
    if not skipped:
        return "No image was left out as unreadable."
    shown = listed(skipped[:10]) + (f" and {len(skipped) - 10} more" if len(skipped) > 10 else "")
    left_out = "1 unreadable image was" if len(skipped) == 1 else f"{len(skipped)} unreadable images were"
    return f"{left_out} left out: {shown}."


def _initialisation(study: Study) -> str:
    described = {}
    for trial in study.trials:
        name, card = init_name(trial.arm.init), settings.init_card(trial)
        digest = f", SHA-256 {str(card['sha256'])[:12]}…" if card.get("sha256") else ""
        described[name] = f"{name}: {card.get('source') or 'source not recorded'}{digest}"
    return "; ".join(described.values()) + ". The classification layer is drawn from the seed of the run."


def _robustness(study: Study) -> str:
    seeds = {trial.seed for trial in study.trials}
    folds = max((len(task.facts.folds) for task in study.tasks), default=0)
    repeats = f"{counted(folds, 'fold')} and {counted(len(seeds), 'seed')}"
    spread = [name for name, number in (("folds", folds), ("seeds", len(seeds))) if number > 1]
    if not spread:
        return f"{repeats}; the spread over folds and seeds is not known."
    return f"{repeats}; the tables show the spread over {listed(spread)}."


def _explainability(study: Study) -> str:
    kinds = {found.kind for found in study.explanations}
    shown = {
        "Grad-CAM maps of the test images that were classified most confidently, right and wrong": "gradcam" in kinds,
        "the filters of the first layer before and after fine-tuning": "filters" in kinds,
        "similarities of representations, layer by layer": any(task.representations for task in study.tasks),
    }
    named = [what for what, is_shown in shown.items() if is_shown]
    return sentence(f"{listed(named)}.") if named else "None in this report."


def _numbers(task: Task) -> str:
    facts = task.facts
    people = f" of {facts.units} {facts.unit}" if facts.groups_known else ""
    return f"{task.name}: {facts.images} images{people} included, {len(_skipped(task))} excluded as unreadable."


def _failures(study: Study) -> str:
    sentences = []
    for task in study.tasks:
        arm = task.arms[0]
        wrong = sum((t.test.probabilities.argmax(axis=1) != t.test.labels).sum() for t in arm.trials)
        total = sum(len(t.test.labels) for t in arm.trials)
        sentences.append(f"{task.name}: {init_name(arm.init)} misclassifies {wrong} of {total} test images")
    return "; ".join(sentences) + ". The report lists the most confident errors."
