"""Which candidates the screening kept, and whether fine-tuning agrees."""

from tljax.core.errors import counted
from tljax.report.analysis.screening import Screening
from tljax.report.analysis.study import Study, Task
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Element, Section, Table, Text, section
from tljax.report.figures import screening_efficiency, screening_layers, screening_redundancy, screening_scores
from tljax.report.wording.names import NONE, init_name, init_phrase, init_start, interval, plain, with_interval

ORDER = 7


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    elements: list[Element | None] = []
    for task in study.tasks:
        if found := task.screening:
            figures = (screening_scores, screening_layers, screening_redundancy, screening_efficiency)
            elements += [figure.draw(gallery, task, found) for figure in figures]
            elements += [shortlist_table(task, found), scores_table(task, found), equivalence_table(task, found)]
            elements += [_remarks(task, found), _agreement(task, found)]
    return section(
        "screening",
        "Which candidates did screening keep?",
        elements,
        "Screening scores candidates without fine-tuning them, from the features that their frozen networks compute. "
        "It serves to leave candidates out, not to rank them.",
    )


def shortlist_table(task: Task, found: Screening) -> Table:
    """Returns the candidates that were kept, with the reason for each."""
    rows = [[entry.rank, init_name(entry.network), entry.reason] for entry in found.shortlist]
    caption = f"The shortlist for {task.name}."
    return Table(f"shortlist-{task.name}", caption, ("rank", "start from", "reason"), rows, words=3)


def scores_table(task: Task, found: Screening) -> Table:
    """Returns every score of every candidate over all folds."""
    scores = list(dict.fromkeys(each.score for each in found.scores))
    columns, rows = ["start from"], [[init_name(network)] for network in found.networks]
    for score in scores:
        values = found.of(score)
        known = [values.get(network) for network in found.networks]
        columns.append(score.replace("_", " "))
        for row, each in zip(rows, known, strict=True):
            row.append(plain(each.value) if each else NONE)
        if any(each and each.low == each.low for each in known):
            columns.append(f"95 % interval of {score.replace('_', ' ')}")
            for row, each in zip(rows, known, strict=True):
                row.append(interval(each.low, each.high) if each else NONE)
    caption = f"Scores of every candidate on {task.name}, over all folds. A higher score is better."
    return Table(f"screening-{task.name}", caption, columns, rows)


def equivalence_table(task: Task, found: Screening) -> Table:
    """Returns how many images one candidate needs to equal another on all of them."""
    rows = [
        [init_name(each.first), init_name(each.second), *map(_count, (each.images, each.low, each.high, each.of))]
        for each in found.equivalence
    ]
    columns = ("start from", "equals", "with images", "low", "high", "of images")
    caption = (
        f"Label efficiency on {task.name}: the number of training images with which the probe of one candidate equals "
        "the probe of another on all images. Low and high: 95 % interval."
    )
    return Table(f"equivalence-{task.name}", caption, columns, rows, words=2)


def _count(images: float) -> str:
    return NONE if images != images else f"{images:,.0f}"


def _remarks(task: Task, found: Screening) -> Text | None:
    return Text(f"Remarks of the screening of {task.name}", " ".join(found.remarks)) if found.remarks else None


def _agreement(task: Task, found: Screening) -> Text | None:
    """What the shortlist lost, where the candidates were fine-tuned too."""
    regret = found.regret
    if regret is None:
        return None
    heading = f"Screening and fine-tuning on {task.name}"
    known = f"{regret.fine_tuned} candidates were fine-tuned. "
    if regret.best == regret.chosen:
        return Text(heading, f"{known}The best of them, {init_phrase(regret.best)}, is on the shortlist.")
    return Text(
        heading,
        f"{known}{init_start(regret.best)} has the highest AUC and is not on the shortlist. The best candidate on the "
        f"shortlist is {init_phrase(regret.chosen)}. Choosing from the shortlist loses "
        f"{plain(regret.difference.value)} AUC ({with_interval(regret.difference)}) over "
        f"{counted(regret.folds, 'fold')}.",
    )
