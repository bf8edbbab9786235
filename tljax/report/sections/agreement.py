"""Whether networks are wrong on the same images."""

from collections.abc import Iterator

from tljax.report.analysis.conditions import Condition
from tljax.report.analysis.prediction_similarity import PredictionSimilarity
from tljax.report.analysis.study import Study
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, Table, section
from tljax.report.figures import prediction_similarity
from tljax.report.published import results as published
from tljax.report.wording.names import condition_name, init_name, interval, lowest_seed, p_value, plain

ORDER = 60
PUBLISHED_PAIR = ("imagenet", "radimagenet")


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section(
        "agreement",
        "Are the networks wrong on the same images?",
        [prediction_similarity.draw(gallery, study), similarity_table(study), published_table(study)],
        "Two accurate networks agree often, because both are often right. The question is whether they agree more "
        "often than two networks whose errors are unrelated.",
        absent="Prediction similarity needs two initialisations on the same folds.",
    )


def similarity_table(study: Study) -> Table:
    """Returns the prediction similarity of every pair on the test images of all folds together."""
    rows = [
        [
            task, condition_name(condition), " – ".join(map(init_name, found.inits)), plain(found.test.observed),
            interval(found.test.low, found.test.high), plain(found.test.independent),
            plain(found.test.independent_within_class), plain(found.test.authors_independent),
            plain(found.test.kappa), p_value(found.test.mcnemar_p), str(found.test.n),
        ]
        for task, condition, found in _all(study)
    ]  # fmt: skip
    columns = (
        "task", "condition", "pair", "both right or both wrong", "95 % interval", "if errors were independent",
        "if independent within each class", "authors' baseline", "kappa", "p (McNemar)", "test images",
    )  # fmt: skip
    caption = (
        "Prediction similarity is the share of test images on which both networks are right or both are wrong. Two "
        "accurate networks have a high value even if their errors are independent; the column for independent errors "
        "shows this value. Some classes are harder than others for every network, which raises the value further; the "
        "column for errors that are independent within each class allows for both. The authors' baseline is that of "
        "the published code, which squares the accuracy of the first network. McNemar's test asks whether both "
        f"networks are equally accurate.{lowest_seed(study.tasks)}"
    )
    return Table("prediction-similarity", caption, columns, rows, words=3)


def published_table(study: Study) -> Table:
    """Returns the prediction similarity that the paper published, next to ours over the same kind of images."""
    rows = []
    for name, condition, found in _all(study):
        arms = [arm for task in study.tasks if task.name == name for arm in task.under(condition)]
        paper = published.prediction_similarity(name, condition.freeze)
        same_networks = all(published.comparable(arm) for arm in arms if arm.init in found.inits)
        if paper and found.inits == PUBLISHED_PAIR and found.held_out and same_networks:
            ours = (found.test.observed, found.held_out.observed, paper[0].mean, found.held_out.authors_independent)
            rows.append([name, condition_name(condition), *map(plain, (*ours, paper[1].mean))])
    columns = (
        "task", "condition", "test images", "held-out images", "published", "authors' baseline, held-out images",
        "authors' baseline, published",
    )  # fmt: skip
    caption = (
        "Prediction similarity of ImageNet and RadImageNet, ours and published. The published values are of all images "
        "held out in a fold, validation and test images together; ours over held-out images compare with them. "
        f"Published: {published.SOURCE}."
    )
    return Table("prediction-similarity-published", caption, columns, rows, words=2)


def _all(study: Study) -> Iterator[tuple[str, Condition, PredictionSimilarity]]:
    for task in study.tasks:
        for condition, similarities in task.predictions.items():
            yield from ((task.name, condition, found) for found in similarities)
