"""Every run and every setting."""

from tljax.report.analysis.study import Study
from tljax.report.analysis.trials import RunRecord, Trial
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, Table, section
from tljax.report.wording.names import NONE, interval, plain

ORDER = 120


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section("runs", "Every run and every setting", [runs_table(study), settings_table(study)])


def runs_table(study: Study) -> Table:
    """Returns every run folder."""
    scored = {trial.run.place: trial for trial in study.trials}
    columns = (
        "run", "status", "seed", "test AUC", "95 % interval", "held-out AUC", "AUC as Keras",
        "accuracy", "epoch kept", "epochs",
    )  # fmt: skip
    caption = (
        "Every run folder. The intervals are over patients, or over images where patients are not known. Held-out "
        "AUC: over validation and test images together. AUC as Keras: micro-average over classes at 200 thresholds."
    )
    return Table("runs", caption, columns, [_row(run, scored.get(run.place)) for run in study.runs], words=2)


def _row(run: RunRecord, trial: Trial | None) -> list[str]:
    first = [run.place, run.status, NONE if run.status == "corrupt" else str(run.settings.get("seed", NONE))]
    if trial is None:
        return first + [NONE] * 7
    kept = NONE if trial.epoch_kept is None else str(trial.epoch_kept)
    return [
        *first, plain(trial.auc.value), interval(trial.auc.low, trial.auc.high), plain(trial.auc_held_out),
        plain(trial.auc_keras), plain(trial.scores["accuracy"]), kept, str(len(trial.epochs.phases)),
    ]  # fmt: skip


def settings_table(study: Study) -> Table:
    """Returns every setting with the values that the runs have."""
    values: dict[str, dict[str, None]] = {}
    for run in study.runs:
        for key, value in run.settings.items():
            values.setdefault(key, {})[str(value)] = None
    rows = [[key.replace("_", " "), ", ".join(found)] for key, found in values.items()]
    caption = "Every setting, with all values that the runs have."
    return Table("settings", caption, ("setting", "values"), rows, words=2)
