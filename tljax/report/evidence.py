"""The evidence pack: what a reviewer asks, answered from the run folders, and never more than they hold.

The checklist follows the 44 items of CLAIM, 2024 update (Tejani et al., Radiology: Artificial Intelligence 2024, doi
10.1148/ryai.240300), worded here in our own words.
"""

import csv
import hashlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import tljax
from tljax.core.config import SIGHT_AND_HOSTS, TrainConfig, to_json
from tljax.report.gather import Study
from tljax.report.names import init_name, listed
from tljax.report.task import Task
from tljax.report.trials import Trial

AUTHOR = "For the author to supply."


@dataclass(frozen=True)
class Item:
    """One item of the checklist; `answer` is `AUTHOR` where the program cannot know."""

    number: int
    section: str
    asks: str
    answer: str

    @property
    def known(self) -> bool:
        """Whether the program filled it in."""
        return self.answer != AUTHOR


def checklist(study: Study) -> list[Item]:
    """All items, those that the program knows filled in."""
    answers = _answers(study)
    text = files(__package__).joinpath("claim.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return [Item(int(r["item"]), r["section"], r["asks"], answers.get(int(r["item"])) or AUTHOR) for r in rows]


def _answers(study: Study) -> dict[int, str]:
    trials = [trial for task in study.tasks for trial in task.trials]
    if not trials:
        return {}
    return {
        6: "Comparison of initialisations for transfer learning (exploratory).",
        7: "; ".join(f"{_card(task).get('title', task.name)}: {_card(task).get('source', '')}" for task in study.tasks),
        9: _preprocessing(trials),
        10: _each(study, _selection),
        12: _excluded(trials),
        19: _each(study, _partitions),
        20: _each(study, _disjointness),
        21: _each(study, lambda task: f"{task.name}: {task.units} {task.unit} were available."),
        22: _models(trials),
        23: _versions(study, trials),
        24: _initialisation(trials),
        25: _training(trials),
        26: _model_selection(trials),
        27: "None: every network is judged alone.",
        28: "AUC (binary: of the second class; more classes: one against the rest, weighted by prevalence); accuracy, "
        "balanced accuracy, F1, sensitivity at 95 % specificity, Brier score, expected calibration error.",
        29: "Per run: bootstrap over patients (images where patients are unknown). Between initialisations: corrected "
        "resampled t-test over folds (Nadeau & Bengio) with Holm's adjustment over tasks and, unless the best beats "
        "all others, over the pairs of a task; and DeLong's test over test images. A difference counts only when both "
        "find it at the 5 % level.",
        30: _robustness(study),
        31: "Grad-CAM maps of the most confident right and wrong test images, and the filters of the first layer "
        "before and after fine-tuning, where this report shows them; representations compared by layer.",
        32: _each(study, lambda task: f"{task.name}: {len(task.folds)} test folds of its own images."),
        33: "None: every test image comes from the task's own archive.",
        35: _each(study, _flow),
        37: "The tables and figures of this report.",
        38: "The intervals of this report's tables.",
        39: _failures(study),
        43: f"Software: tljax {tljax.__version__}, Apache-2.0. Data and weights: their own licences. "
        + _each(study, lambda task: f"{task.name}: {_card(task).get('licence') or 'licence not recorded'}."),
    }


def _each(study: Study, sentence: Any) -> str:
    return " ".join(sentence(task) for task in study.tasks)


def _card(task: Task) -> dict[str, Any]:
    return task.trials[0].run.config.get("card", {})


def _setting(trials: Iterable[Trial], key: str) -> str:
    """The value that all runs share, or the values they differ in."""
    return _values((trial, trial.run.settings.get(key, "not recorded")) for trial in trials)


def _values(found: Iterable[tuple[Trial, Any]]) -> str:
    """`96`; `96 (pcam-small) and 224 (breast)`, by task or else initialisation if that decides it; else `0 or 1`."""
    found = [(trial, str(value)) for trial, value in found]
    values = sorted({value for _, value in found}, key=_numerically)
    for of in (lambda trial: trial.run.task, lambda trial: trial.arm.name):
        owners = {value: list(dict.fromkeys(of(trial) for trial, own in found if own == value)) for value in values}
        if len(values) > 1 and sum(map(len, owners.values())) == len({of(trial) for trial, _ in found}):
            return listed([f"{value} ({listed(names)})" for value, names in owners.items()])
    return listed(values, "or")


def _numerically(value: str) -> tuple[bool, float, str]:
    """A key to sort by: numbers by their size, then text."""
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def _preprocessing(trials: list[Trial]) -> str:
    told = {
        "native": "native: scaled as each network was pre-trained on",
        "paper": "paper: BGR minus the ImageNet mean, for every network",
    }
    kinds = sorted({trial.arm.condition.preprocessing for trial in trials})
    return (
        f"Read as RGB, resized to {_setting(trials, 'image_size')} pixels square by nearest neighbour; inputs "
        f"{listed([told.get(kind, kind) for kind in kinds])}."
    )


def _selection(task: Task) -> str:
    classes = f"{len(task.classes)} classes: {listed(list(task.classes))}"
    return f"{task.name}: every image that its task file reads and its folds name ({classes})."


def _excluded(trials: list[Trial]) -> str:
    skipped = sorted({str(name) for trial in trials for name in trial.run.config.get("skipped", [])})
    if not skipped:
        return "No image was left out as unreadable."
    shown = listed(skipped[:10]) + (f" and {len(skipped) - 10} more" if len(skipped) > 10 else "")
    return f"{len(skipped)} unreadable images were left out: {shown}."


def _partitions(task: Task) -> str:
    first = task.trials[0]
    counts = {split: sum(row.split == split for row in first.run.split) for split in ("train", "val", "test")}
    source = (
        "published fold lists" if first.run.settings.get("folds_dir") else f"the {_setting(task.trials, 'folds')} rule"
    )
    return (
        f"{task.name}: {len(task.folds)} folds by {source}; fold {first.run.fold} has {counts['train']} training, "
        f"{counts['val']} validation and {counts['test']} test images."
    )


def _disjointness(task: Task) -> str:
    shared = 0
    for fold in task.folds:
        rows = next(trial for trial in task.trials if trial.run.fold == fold).run.split
        if any(not row.patient for row in rows):
            unknown = f"{task.group}s are not known, so images of one {task.group} may lie in several parts"
            return f"{task.name}: by image; {unknown}."
        parts = [{row.patient for row in rows if row.split == split} for split in ("train", "val", "test")]
        shared += len((parts[0] & parts[1]) | (parts[0] & parts[2]) | (parts[1] & parts[2]))
    if shared:
        return f"{task.name}: not disjoint by {task.group}; {shared} {task.unit} lie in more than one part of a fold."
    return f"{task.name}: disjoint by {task.group} (checked in every fold)."


def _models(trials: list[Trial]) -> str:
    cards = {(str(card.get("backbone")), str(card.get("variant"))) for card in _init_cards(trials)}
    built = listed([f"{backbone} ({variant})" for backbone, variant in sorted(cards)])
    classes = _values((trial, len(trial.test.classes)) for trial in trials)
    return (
        f"{built} without its top; global average pooling, dropout {_setting(trials, 'dropout')}, one dense softmax "
        f"layer of {classes} classes. Input: three channels of {_setting(trials, 'image_size')} pixels square."
    )


def _init_cards(trials: Iterable[Trial]) -> list[dict[str, Any]]:
    return [trial.run.config.get("init", {}) for trial in trials]


def _versions(study: Study, trials: list[Trial]) -> str:
    found = {(name, str(v)) for trial in trials for name, v in trial.run.config.get("versions", {}).items()}
    of_study = study.settings.get("versions")
    found |= {(name, str(v)) for name, v in of_study.items()} if isinstance(of_study, dict) else set()
    return ", ".join(f"{name} {version}" for name, version in sorted(found)) + "."


def _initialisation(trials: list[Trial]) -> str:
    told = {}
    for trial, card in zip(trials, _init_cards(trials), strict=True):
        origin = card.get("source") or "source not recorded"
        digest = f", SHA-256 {str(card['sha256'])[:12]}…" if card.get("sha256") else ""
        told[trial.arm.name] = f"{trial.arm.name}: {origin}{digest}"
    return "; ".join(told.values()) + ". The new head is drawn from the run's seed."


def _training(trials: list[Trial]) -> str:
    text = (
        f"Cross-entropy; Adam (0.9, 0.999, 1e-7), learning rate {_setting(trials, 'learning_rate')}, batch "
        f"{_setting(trials, 'batch_size')}, at most {_setting(trials, 'epochs')} epochs, stopped after "
        f"{_setting(trials, 'patience')} without improvement; augmentation: {_setting(trials, 'augment')}; precision "
        f"{_setting(trials, 'precision')}; seed {_setting(trials, 'seed')}; {len(trials)} networks."
    )
    if any(trial.arm.condition.freeze for trial in trials):
        text += (
            f" With freezing, the head first alone: learning rate {_setting(trials, 'head_learning_rate')}, at most "
            f"{_setting(trials, 'head_epochs')} epochs."
        )
    return text


def _model_selection(trials: list[Trial]) -> str:
    told = {
        "val_auc": "the epoch of the highest AUC on the validation images",
        "val_loss": "the epoch of the lowest loss on the validation images",
        "last": "the last epoch",
    }
    rules = sorted({str(trial.run.settings.get("select", "not recorded")) for trial in trials})
    return f"Of each run {listed([told.get(rule, rule) for rule in rules], 'or')}; test images played no part."


def _robustness(study: Study) -> str:
    seeds = {trial.seed for task in study.tasks for trial in task.trials}
    folds = max((len(task.folds) for task in study.tasks), default=0)
    return f"{folds} folds and {len(seeds)} seed{'s' * (len(seeds) > 1)}; the spread over each is in the tables."


def _flow(task: Task) -> str:
    skipped = {str(name) for trial in task.trials for name in trial.run.config.get("skipped", [])}
    images = len({row.file for trial in task.trials for row in trial.run.split})
    people = f" of {task.units} {task.unit}" if task.unit != "images" else ""
    return f"{task.name}: {images} images{people} included, {len(skipped)} excluded as unreadable."


def _failures(study: Study) -> str:
    sentences = []
    for task in study.tasks:
        arm = task.arms[0]
        wrong = sum((t.test.probabilities.argmax(axis=1) != t.test.labels).sum() for t in task.of_arm(arm))
        total = sum(len(t.test.labels) for t in task.of_arm(arm))
        sentences.append(f"{task.name}: {arm.name} misclassifies {wrong} of {total} test images")
    return "; ".join(sentences) + "; the most confident errors are listed below."


@dataclass(frozen=True)
class Failure:
    """A test image that a network got wrong with confidence."""

    task: str
    network: str
    file: str
    label: str
    predicted: str
    probability: float


def failures(study: Study, each: int = 5) -> list[Failure]:
    """The most confident errors of the best initialisation of each task."""
    found = []
    for task in study.tasks:
        arm = task.arms[0]
        of_task = []
        for trial in task.first_seed(arm).values():
            test = trial.test
            predicted = test.probabilities.argmax(axis=1)
            for row in (predicted != test.labels).nonzero()[0]:
                names = (test.classes[test.labels[row]], test.classes[predicted[row]])
                of_task.append(
                    Failure(task.name, arm.name, test.files[row], *names, float(test.probabilities[row].max()))
                )
        found += sorted(of_task, key=lambda failure: -failure.probability)[:each]
    return found


def methods(study: Study) -> str:
    """A paragraph for a paper, of what was done and nothing else."""
    trials = [trial for task in study.tasks for trial in task.trials]
    if not trials:
        return ""
    inits = listed(list(dict.fromkeys(init_name(trial.arm.init) for trial in trials)))
    names = listed([task.name for task in study.tasks])
    return " ".join(
        [
            f"We fine-tuned {_models(trials)} Networks started from {inits} on {names}.",
            _each(study, _partitions),
            _each(study, _disjointness),
            _preprocessing(trials),
            _training(trials),
            _model_selection(trials),
            "We report test AUC, its mean and standard deviation over folds, and compare initialisations on the same "
            "folds by the corrected resampled t-test (Nadeau and Bengio, 2003), Holm-adjusted over tasks and "
            "over the pairs of a task, unless the best beats all others, and by DeLong's test.",
            f"Software: {_versions(study, trials)}",
        ]
    )


def hashes(study: Study) -> list[tuple[str, str]]:
    """What was hashed and its hash: the data of each task, the initial weights, and the code that wrote this report."""
    found: dict[str, str] = {}
    for task in study.tasks:
        for trial in task.trials:
            must = trial.run.config.get("must_match", {})
            if must.get("data"):
                found[f"data of {task.name}"] = str(must["data"])
            if must.get("weights"):
                found[f"weights {trial.arm.name}"] = str(must["weights"])
    found["code of tljax (this report's)"] = code_hash()
    return list(found.items())


@cache
def code_hash() -> str:
    """SHA-256 over every source file of the package, by name and content."""
    root = Path(tljax.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def replay(study: Study) -> list[str]:
    """Commands that repeat the study: its own in their order, or one a run."""
    commands = study.settings.get("commands") or [study.settings.get("command")]
    if isinstance(commands, list) and any(commands):
        return [command if isinstance(command, str) else shlex.join(map(str, command)) for command in commands]
    return [_train_command(trial.run.settings) for task in study.tasks for trial in task.trials]


def _train_command(settings: Mapping[str, Any]) -> str:
    """What to train, and every setting that is not the default."""
    words = ["python", "-m", "tljax.train"]
    for name, default in to_json(TrainConfig()).items():
        value = settings.get(name, default)
        said = value != default or name in ("dataset", "init", "fold", "seed")
        if name in SIGHT_AND_HOSTS or value is None or not said:
            continue
        flag = name.replace("_", "-")
        words += [f"--{flag}" if value else f"--no-{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return shlex.join(words)
