"""Whether networks are wrong on the same images."""

from tljax.report.analysis.prediction_similarity import PredictionSimilarity
from tljax.report.analysis.study import Study, Task
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, Table, section
from tljax.report.figures import prediction_similarity
from tljax.report.published import results as published
from tljax.report.wording.names import NONE, condition_name, init_name, interval, lowest_seed, p_value, plain

ORDER = 60
PUBLISHED_PAIR = ("imagenet", "radimagenet")


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section(
        "agreement",
        "Are the networks wrong on the same images?",
        [prediction_similarity.draw(gallery, study), similarity_table(study)],
        "Two accurate networks agree often, because both are often right. What matters is how much more often they "
        "agree than two networks with independent errors.",
        absent="Prediction similarity needs two initialisations on the same folds.",
    )


def similarity_table(study: Study) -> Table:
    """Returns the prediction similarity of every pair, the images of all folds together."""
    rows = [
        _row(task, condition_name(condition), condition.freeze, found)
        for task in study.tasks
        for condition, similarities in task.predictions.items()
        for found in similarities
    ]
    columns = (
        "task", "condition", "pair", "both right or both wrong", "95 % interval", "if errors were independent",
        "authors' baseline", "kappa", "p (McNemar)", "test images", "validation and test images",
        "authors' baseline, validation and test images", "published, validation and test images (their baseline)",
    )  # fmt: skip
    compared = any(row[-1] != NONE for row in rows)
    shown = len(columns) if compared else len(columns) - 3
    caption = (
        "Prediction similarity: the share of test images on which both networks are right or both are wrong, and what "
        "it would be if their errors were independent. The baseline of the authors' code squares the accuracy of the "
        f"first network.{lowest_seed(study.tasks)}"
    )
    if compared:
        caption += (
            " The published values are of all images held out in a fold, validation and test images together; the "
            "column before them has ours over the same images."
        )
    return Table("prediction-similarity", caption, columns[:shown], [row[:shown] for row in rows], words=3)


def _row(task: Task, condition: str, freeze: bool, found: PredictionSimilarity) -> list[str]:
    test, held_out = found.test, found.held_out
    paper = published.prediction_similarity(task.name, freeze) if found.inits == PUBLISHED_PAIR else None
    return [
        task.name, condition, " – ".join(map(init_name, found.inits)), plain(test.observed),
        interval(test.low, test.high), plain(test.independent), plain(test.authors_independent), plain(test.kappa),
        p_value(test.mcnemar_p), str(test.n), plain(held_out.observed) if held_out else NONE,
        plain(held_out.authors_independent) if held_out else NONE,
        f"{paper[0].mean:.3f} ({paper[1].mean:.3f})" if paper else NONE,
    ]  # fmt: skip
