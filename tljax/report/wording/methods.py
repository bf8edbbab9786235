"""The methods paragraph: what was done, ready for a paper."""

from tljax.report.analysis.study import Study
from tljax.report.wording import settings, statistics
from tljax.report.wording.names import init_name, listed


def methods_paragraph(study: Study) -> str:
    """Returns what was done, without results; empty if no run is finished."""
    trials = study.trials
    if not trials:
        return ""
    several_folds = any(len(task.facts.folds) > 1 for task in study.tasks)
    inits = listed(list(dict.fromkeys(init_name(trial.arm.init) for trial in trials)))
    return " ".join(
        [
            f"We fine-tuned {settings.architectures(trials)}. {settings.head(trials)} Training started from {inits}. "
            f"The data were those of {listed([task.name for task in study.tasks])}.",
            *map(settings.partitions, study.tasks),
            *map(settings.disjointness, study.tasks),
            settings.preprocessing(trials),
            settings.training(trials),
            settings.selection(trials),
            f"We report the test AUC{', with its mean and standard deviation over folds' * several_folds}.",
            *filter(None, [statistics.tests(study)]),
            f"Software: {settings.versions(study)}",
        ]
    )
