"""Sentences on how the networks of a study were trained, for the methods paragraph and for the checklist."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tljax.report.analysis.study import Study, Task
from tljax.report.analysis.trials import Trial
from tljax.report.wording.names import init_name, listed

_PREPROCESSINGS = {
    "native": "normalised as each network was pre-trained",
    "paper": "normalised as in the paper (BGR minus the ImageNet mean) for every network",
}
_SELECTIONS = {
    "val_auc": "the epoch with the highest AUC on the validation images",
    "val_loss": "the epoch with the lowest loss on the validation images",
    "last": "the last epoch",
}


def setting(trials: Iterable[Trial], key: str) -> str:
    """Returns the value that all runs share, or each value with what has it."""
    return values((trial, trial.run.settings.get(key, "not recorded")) for trial in trials)


def values(found: Iterable[tuple[Trial, Any]]) -> str:
    """Returns `96`, or `96 (pcam-small) and 224 (breast)` where the task or else the initialisation decides it."""
    found = [(trial, str(value)) for trial, value in found]
    distinct = sorted({value for _, value in found}, key=_numbers_first)
    for owner in (lambda trial: trial.run.task, lambda trial: init_name(trial.arm.init)):
        owners = {
            value: list(dict.fromkeys(owner(trial) for trial, own in found if own == value)) for value in distinct
        }
        if len(distinct) > 1 and sum(map(len, owners.values())) == len({owner(trial) for trial, _ in found}):
            return listed([f"{value} ({listed(names)})" for value, names in owners.items()])
    return listed(distinct, "or")


def _numbers_first(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def networks(trials: Sequence[Trial]) -> str:
    """Returns the architecture, without the verb."""
    cards = {(str(card.get("backbone")), str(card.get("variant"))) for card in init_cards(trials)}
    built = listed([f"{backbone} ({variant})" for backbone, variant in sorted(cards)])
    classes = values((trial, len(trial.test.classes)) for trial in trials)
    return (
        f"{built} without its classification layer, followed by global average pooling, dropout "
        f"{setting(trials, 'dropout')} and one dense softmax layer of {classes} classes. The input has three channels "
        f"of {setting(trials, 'image_size')} pixels square."
    )


def init_cards(trials: Iterable[Trial]) -> list[dict[str, Any]]:
    """Returns the card of the initial weights of each run."""
    return [trial.run.facts.get("init", {}) for trial in trials]


def preprocessing(trials: Sequence[Trial]) -> str:
    """How images become the input of the networks."""
    kinds = sorted({trial.arm.condition.preprocessing for trial in trials})
    return (
        f"Images were read as RGB, resized to {setting(trials, 'image_size')} pixels square by nearest neighbour, and "
        f"{listed([_PREPROCESSINGS.get(kind, kind) for kind in kinds])}."
    )


def training(trials: Sequence[Trial]) -> str:
    """Loss, optimiser and its settings."""
    text = (
        f"The loss was cross-entropy. The optimiser was Adam (0.9, 0.999, 1e-7) with learning rate "
        f"{setting(trials, 'learning_rate')} and batch size {setting(trials, 'batch_size')}, for {_length(trials)}. "
        f"Augmentation: {setting(trials, 'augment')}; precision: {setting(trials, 'precision')}; seed: "
        f"{setting(trials, 'seed')}; {len(trials)} networks were trained."
    )
    if any(trial.arm.condition.freeze for trial in trials):
        text += (
            " Where the head was trained first, its learning rate was "
            f"{setting(trials, 'head_learning_rate')} for at most {setting(trials, 'head_epochs')} epochs."
        )
    return text


def _length(trials: Sequence[Trial]) -> str:
    """For how long the networks were trained."""
    epochs = f"{setting(trials, 'epochs')} epochs"
    if not any(_may_stop_early(trial.run.settings) for trial in trials):
        return epochs
    return f"at most {epochs}; training stopped after {setting(trials, 'patience')} epochs without improvement"


def _may_stop_early(settings: Mapping[str, Any]) -> bool:
    epochs, patience = settings.get("epochs"), settings.get("patience")
    return epochs is None or patience is None or patience < epochs


def selection(trials: Sequence[Trial]) -> str:
    """Which epoch of a run was kept."""
    rules = sorted({str(trial.run.settings.get("select", "not recorded")) for trial in trials})
    kept = listed([_SELECTIONS.get(rule, rule) for rule in rules], "or")
    return f"Of each run, the weights of {kept} were kept. Test images played no part in that choice."


def partitions(task: Task) -> str:
    """Folds, and the images of their parts."""
    trials = list(task.trials)
    first = trials[0]
    counts = first.images.counts
    published = first.run.settings.get("folds_dir")
    source = "published lists" if published else f"the {setting(trials, 'folds')} rule"
    count = len(task.facts.folds)
    return (
        f"{task.name}: {count} fold{'s' * (count != 1)}, made by {source}; fold {first.fold} has {counts['train']} "
        f"training, {counts['val']} validation and {counts['test']} test images."
    )


def disjointness(task: Task) -> str:
    """Whether a patient can be in several parts of a fold."""
    facts = task.facts
    if not facts.groups_known:
        return (
            f"{task.name}: disjoint by image only; {facts.group}s are not known, so images of one {facts.group} may be "
            "in several parts."
        )
    shared = sum(len(images.in_several_parts) for images in {trial.images for trial in task.trials})
    if shared:
        return f"{task.name}: not disjoint by {facts.group}; {shared} {facts.unit} are in more than one part of a fold."
    return f"{task.name}: disjoint by {facts.group} (checked in every fold)."


def versions(study: Study) -> str:
    """The software that trained the networks."""
    found = {(name, str(v)) for trial in study.trials for name, v in trial.run.facts.get("versions", {}).items()}
    of_study = study.settings.get("versions")
    found |= {(name, str(v)) for name, v in of_study.items()} if isinstance(of_study, dict) else set()
    return ", ".join(f"{name} {version}" for name, version in sorted(found)) + "."


TESTS = (
    "Initialisations are compared on the same folds by the corrected resampled t-test (Nadeau and Bengio, 2003) and by "
    "DeLong's test over test images, both on means over seeds. A difference counts as shown when both find it at the "
    "5 % level, in the same direction. Over the pairs of a task, the p-values of the t-test are adjusted by Holm's "
    "method; if the best initialisation beats all others, those differences need no adjustment, and the remaining "
    "pairs are adjusted among themselves. The 5 % level holds for each task by itself; there is no adjustment over "
    "tasks."
)
"""The statistical tests and the multiplicity rule."""
