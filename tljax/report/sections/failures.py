"""The most confident errors."""

from tljax.report.analysis.study import Study, Task
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, Table, section
from tljax.report.wording.names import init_name

ORDER = 85
EACH = 5  # errors of a task


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section("failures", "Which images are classified wrongly?", [failures_table(study)])


def failures_table(study: Study) -> Table:
    """Returns the most confident errors of the best initialisation of each task."""
    rows = [row for task in study.tasks for row in _rows(task)]
    columns = ("image", "task", "start from", "true class", "predicted class", "probability")
    caption = (
        "The most confident errors of the initialisation with the highest mean AUC, on the test images of each task."
    )
    return Table("failures", caption, columns, rows, words=5)


def _rows(task: Task) -> list[list[str]]:
    arm = task.arms[0]
    found = []
    for trial in arm.first_seed.values():
        test = trial.test
        predicted = test.probabilities.argmax(axis=1)
        for row in (predicted != test.labels).nonzero()[0]:
            classes = test.classes[test.labels[row]], test.classes[predicted[row]]
            found.append((float(test.probabilities[row].max()), test.files[row], classes))
    found.sort(key=lambda error: -error[0])
    return [[file, task.name, init_name(arm.init), *classes, f"{p:.3f}"] for p, file, classes in found[:EACH]]
