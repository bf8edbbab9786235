"""NCTI (Wang et al. 2023, https://arxiv.org/abs/2310.05708): how close the features are to neural collapse.

Three quantities are computed from a linear discriminant on the first 64 principal components: the spread of the classes
(nuclear norm of the projected features), the accuracy of the nearest class mean (mean probability of the right class),
and the variation of the predictions within a class (log of the summed nuclear norms). Each is scaled to 0..1 over the
candidates, so the score compares candidates with each other and has no value for a single network. If all images of
each class have the same features, the first quantity has no limit, and the score is unknown.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from tljax.screen.geometry import Labels, are_points, isometric, positions
from tljax.screen.scores import Score, checked

TITLE = "NCTI"
DIMENSIONS, SPREAD = 64, 32
LEAST = 1e-10
QUANTITIES = ("spread", "nearest", "variation")


def bounds(classes: int) -> tuple[float, float]:
    """Returns the bounds of the sum of two quantities in 0..1 minus a third one."""
    return -1.0, 2.0


def score(features: Float[np.ndarray, "n d"], labels: Labels) -> Score:
    """Returns the three quantities as details, and NaN as the value, which `pooled` computes from them."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    position = positions(labels)
    points = isometric(checked(features, labels))[:, :DIMENSIONS]
    if are_points(points, labels):
        return Score(float("nan"), details=dict.fromkeys(QUANTITIES, float("nan")))
    variances = np.square(points).sum(axis=0) / (len(points) - 1)
    shrinkage = max(float(np.exp(-variances[:SPREAD].sum())), LEAST)
    if shrinkage == LEAST:
        discriminant = LinearDiscriminantAnalysis(solver="svd")
    else:
        discriminant = LinearDiscriminantAnalysis(solver="eigen", shrinkage=shrinkage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of a class of one image, and of equal class means
        projected = discriminant.fit_transform(points, position)
    probabilities = discriminant.predict_proba(points)
    details = {
        "spread": float(np.linalg.norm(projected - projected.mean(axis=0), ord="nuc")),
        "nearest": float(probabilities[np.arange(len(position)), position].mean()),
        "variation": float(np.log(sum(np.linalg.norm(probabilities[position == c], ord="nuc") for c in set(position)))),
    }
    return Score(float("nan"), details=details)


def pooled(scores: Sequence[Score]) -> list[Score]:
    """Returns the scores of all candidates: spread + nearest - variation, each scaled to 0..1 over the candidates.

    A candidate with an unknown quantity gets NaN, and does not change the scale of the others.
    """
    parts = {}
    for name in QUANTITIES:
        values = np.array([each.details[name] for each in scores])
        low, high = np.fmin.reduce(values), np.fmax.reduce(values)  # these ignore NaN
        parts[name] = (values - low) / (high - low) if high > low else values - low
    values = parts["spread"] + parts["nearest"] - parts["variation"]
    return [Score(float(value), details=each.details) for value, each in zip(values, scores, strict=True)]
