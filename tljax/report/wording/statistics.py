"""Sentences on the statistical tests of a study, for the methods paragraph and for the checklist."""

from tljax.report.analysis.study import Study


def tests(study: Study) -> str:
    """Returns the statistical tests and the rules for several comparisons; empty if nothing was compared."""
    return " ".join(filter(None, [_between_initialisations(study), _between_ways_of_training(study)]))


def _between_initialisations(study: Study) -> str:
    compared = [result for task in study.tasks for result in task.results.values() if result.pairs]
    if not compared:
        return ""
    if all(len(result.folds) == 1 for result in compared):
        return (
            "Initialisations are compared on the test images of one fold by DeLong's test, which covers the choice of "
            "test images only, so that no difference counts as shown."
        )
    text = (
        "Initialisations are compared on the same folds by the corrected resampled t-test (Nadeau and Bengio, 2003) "
        "and by DeLong's test over test images, both on means over seeds. A difference counts as shown when both find "
        "it at the 5 % level, in the same direction."
    )
    if any(len(result.pairs) > 1 for result in compared):
        text += (
            " Over the pairs of a task, the p-values of the t-test are adjusted by Holm's method; if the best "
            "initialisation beats all others, those differences need no adjustment, and the remaining pairs are "
            "adjusted among themselves."
        )
    if len(study.tasks) > 1:
        text += " The 5 % level holds for each task by itself; there is no adjustment over tasks."
    return text


def _between_ways_of_training(study: Study) -> str:
    compared = [each for task in study.tasks for of_axis in task.contrasts.values() for each in of_axis]
    if not any(each.folds > 1 for each in compared):
        return ""
    return (
        "Two ways of training one initialisation are compared fold by fold by the corrected resampled t-test (Nadeau "
        "and Bengio, 2003); the p-values are adjusted by Holm's method over all tasks and initialisations."
    )
