"""The methods paragraph: what was done, ready for a paper."""

from tljax.report.analysis.study import Study
from tljax.report.wording import settings
from tljax.report.wording.names import init_name, listed


def methods_paragraph(study: Study) -> str:
    """Returns what was done and nothing else; empty where no run is finished."""
    trials = study.trials
    if not trials:
        return ""
    inits = listed(list(dict.fromkeys(init_name(trial.arm.init) for trial in trials)))
    return " ".join(
        [
            f"We fine-tuned {settings.networks(trials)} Training started from {inits}. The data were those of "
            f"{listed([task.name for task in study.tasks])}.",
            *map(settings.partitions, study.tasks),
            *map(settings.disjointness, study.tasks),
            settings.preprocessing(trials),
            settings.training(trials),
            settings.selection(trials),
            "We report the test AUC, with its mean and standard deviation over folds.",
            settings.TESTS,
            f"Software: {settings.versions(study)}",
        ]
    )
