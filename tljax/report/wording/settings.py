"""Sentences on how the networks of a study were trained, for the methods paragraph and for the checklist."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tljax.core.errors import counted
from tljax.report.analysis.study import Study, Task
from tljax.report.analysis.trials import Trial
from tljax.report.wording.names import TRAINED, init_name, listed

_PREPROCESSINGS = {
    "native": "as each network was pre-trained",
    "paper": "as in the paper (BGR minus the ImageNet mean) for every network",
}
_SELECTIONS = {
    "val_auc": "the epoch with the highest AUC on the validation images",
    "val_loss": "the epoch with the lowest loss on the validation images",
    "last": "the last epoch",
}


_AUGMENTATIONS = {
    "paper": "rotation by up to 10 degrees, shifts by up to 10 % of width and height, shear by up to 0.1 degrees, zoom "
    "from 0.9 to 1.1 independently in both directions, and a horizontal flip where the task allows it",
    "none": "none",
}
_RULES = {
    "paper": "the paper's rule",
    "grouped": "a grouped and stratified rule that tests every image once",
    "honest": "a grouped and stratified rule that tests every image once",
}


def setting(trials: Iterable[Trial], key: str) -> str:
    """Returns the value that all runs share, or each value with the tasks or initialisations that have it."""
    return values((trial, _value(trial, key)) for trial in trials)


def values(found: Iterable[tuple[Trial, Any]]) -> str:
    """Returns `96`, or `96 (pcam-small) and 224 (breast)` if the value depends on the task or initialisation."""
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


def architectures(trials: Sequence[Trial]) -> str:
    """Returns the architecture of every network: `resnet50, variant keras_v1`."""
    return values((trial, "{}, variant {}".format(*_architecture(trial))) for trial in trials)


def _architecture(trial: Trial) -> tuple[str, str]:
    card = init_card(trial)
    return str(card.get("backbone", "not recorded")), str(card.get("variant", "not recorded"))


def head(trials: Sequence[Trial]) -> str:
    """Returns a sentence on the classification layer, and one on the input."""
    classes = values((trial, len(trial.test.classes)) for trial in trials)
    return (
        f"The classification layer was replaced by dropout {setting(trials, 'dropout')} and one dense softmax layer of "
        f"{classes} classes, which reads the pooled features of the network. The input has three channels and sides of "
        f"{setting(trials, 'image_size')} pixels."
    )


def init_card(trial: Trial) -> dict[str, Any]:
    """Returns the card of the initial weights of a run; empty if it was not recorded."""
    return trial.run.facts.get("init", {})


def preprocessing(trials: Sequence[Trial]) -> str:
    """Returns a sentence on how images become the input of the networks."""
    kinds = sorted({trial.arm.condition.preprocessing for trial in trials})
    return (
        f"Images were read as RGB, resized to squares with sides of {setting(trials, 'image_size')} pixels by "
        "nearest-neighbour interpolation, and normalised "
        f"{listed([_PREPROCESSINGS.get(kind, kind) for kind in kinds], 'or')}."
    )


def training(trials: Sequence[Trial]) -> str:
    """Returns sentences on the loss, the optimiser, augmentation and the number of networks."""
    sentences = [
        "The loss was cross-entropy. The optimiser was Adam (beta 0.9 and 0.999, epsilon 1e-7) with learning rate "
        f"{setting(trials, 'learning_rate')} and batch size {setting(trials, 'batch_size')}, for {_length(trials)}."
    ]
    if _any_set(trials, "warmup_epochs"):
        sentences.append(f"The learning rate rose linearly over the first {setting(trials, 'warmup_epochs')} epochs.")
    if _any_set(trials, "weight_decay"):
        sentences.append(f"The decoupled weight decay of kernels was {setting(trials, 'weight_decay')}.")
    if any(trial.arm.condition.train != "all" for trial in trials):
        trained = _described(trials, "train", TRAINED)
        sentences.append(f"Trained layers: {trained}.")
    if any(trial.arm.condition.freeze for trial in trials):
        sentences.append(
            "Where the head was trained first, its learning rate was "
            f"{setting(trials, 'head_learning_rate')} for at most {setting(trials, 'head_epochs')} epochs."
        )
    augmented = _described(trials, "augment", _AUGMENTATIONS)
    count = f"{len(trials)} networks were" if len(trials) != 1 else "One network was"
    return " ".join(
        [
            *sentences,
            f"Augmentation of the training images: {augmented}. Precision: {setting(trials, 'precision')}. "
            f"Seed: {setting(trials, 'seed')}. {count} trained.",
        ]
    )


def _value(trial: Trial, key: str) -> Any:
    return trial.run.settings.get(key, "not recorded")


def _described(trials: Iterable[Trial], key: str, words: Mapping[str, str]) -> str:
    """Returns `setting` with its values replaced by words for a reader."""
    return values((trial, words.get(str(_value(trial, key)), _value(trial, key))) for trial in trials)


def _any_set(trials: Sequence[Trial], key: str) -> bool:
    return any(trial.run.settings.get(key) for trial in trials)


def _length(trials: Sequence[Trial]) -> str:
    """Returns how long the networks were trained."""
    epochs = f"{setting(trials, 'epochs')} epochs"
    if not any(_may_stop_early(trial.run.settings) for trial in trials):
        return epochs
    return f"at most {epochs}; training stopped after {setting(trials, 'patience')} epochs without improvement"


def _may_stop_early(settings: Mapping[str, Any]) -> bool:
    epochs, patience = settings.get("epochs"), settings.get("patience")
    return epochs is None or patience is None or patience < epochs


def selection(trials: Sequence[Trial]) -> str:
    """Returns which epoch of a run was kept."""
    kept = _described(trials, "select", _SELECTIONS)
    return f"Of each run, the weights of {kept} were kept. Test images played no part in that choice."


def partitions(task: Task) -> str:
    """Returns the number of folds, how they were made, and the images of each part of the first one."""
    trials = list(task.trials)
    first = min(trials, key=lambda trial: trial.fold)
    counts = first.images.counts
    if first.run.settings.get("folds_dir"):
        made = "read from fold lists"
    else:
        made = f"made by {_described(trials, 'folds', _RULES)}"
    return (
        f"{task.name}: {counted(len(task.facts.folds), 'fold')}, {made}; fold {first.fold} has {counts['train']} "
        f"training, {counts['val']} validation and {counts['test']} test images."
    )


def disjointness(task: Task) -> str:
    """Returns whether a patient can be in several parts of a fold."""
    facts = task.facts
    if not facts.groups_known:
        return (
            f"{task.name}: disjoint by image only; {facts.group}s are not known, so images of one {facts.group} may be "
            "in several parts."
        )
    shared = set().union(*(images.in_several_parts for images in {trial.images for trial in task.trials}))
    if shared:
        verb = "is" if len(shared) == 1 else "are"
        return (
            f"{task.name}: not disjoint by {facts.group}; {counted(len(shared), facts.group)} {verb} in more than one "
            "part of a fold."
        )
    return f"{task.name}: disjoint by {facts.group} (checked in every fold)."


def versions(study: Study) -> str:
    """Returns the software that trained the networks."""
    found = {(name, str(v)) for trial in study.trials for name, v in trial.run.facts.get("versions", {}).items()}
    of_study = study.settings.get("versions")
    found |= {(name, str(v)) for name, v in of_study.items()} if isinstance(of_study, dict) else set()
    return ", ".join(f"{name} {version}" for name, version in sorted(found)) + "."
