"""Finds out which input a network without batch normalisation was trained on, from images of known classes.

Each candidate input is scored by a linear probe, because the right input should give the most useful features. If
several inputs are equally useful, as is often the case, the verdict says that it cannot tell.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt8

from tljax.core.errors import UserError
from tljax.models.forward import Forward
from tljax.models.normalisation import NORMALISATIONS, Normalisation
from tljax.statistics.metrics import auc
from tljax.weights.audit import DRAWS, AuditVerdict, distinct, judge
from tljax.weights.networks import Network

FOLDS, STRENGTH = 5, 0.1  # of the probe; the strength is the inverse L2 penalty (scikit-learn's C)


def audit_by_probe(
    network: Network, images: UInt8[np.ndarray, "n h w 3"], labels: Int[np.ndarray, " n"]
) -> AuditVerdict:
    """Scores the known inputs of a network by the AUC of a linear probe on its features, over five folds.

    labels: class numbers from 0. The draws of the verdict are bootstrap draws of the images. Raises UserError for fewer
    than two classes, and for a class of fewer than five images.
    """
    counts = np.bincount(labels)
    if len(counts) < 2 or counts.min() < FOLDS:
        raise UserError(
            f"the folders of --images hold {', '.join(map(str, counts))} images; a probe needs at least two classes "
            f"with at least {FOLDS} images each"
        )
    pixels = jnp.asarray(images[:8], jnp.float32)
    kinds = distinct(_candidates(network.normalisation), pixels)
    scores = [_probabilities(_features(network, kind[0][1], images), labels) for kind in kinds]
    rng = np.random.default_rng(0)
    draws = [np.arange(len(labels)), *(_draw(rng, labels) for _ in range(DRAWS))]
    distances = np.array([[1 - auc(labels[rows], score[rows]) for rows in draws] for score in scores])
    return judge(kinds, distances, pixels)


def _candidates(own: Normalisation) -> dict[str, Normalisation]:
    """Returns the known inputs with as many channels as the network has."""
    return {name: known for name, known in NORMALISATIONS.items() if known.depth == own.depth} | {"the card's": own}


def _features(network: Network, normalisation: Normalisation, images: np.ndarray) -> Float[np.ndarray, "n c"]:
    passed = Forward(network.model, normalisation).over(images)
    parts = [np.asarray(features, np.float64)[np.asarray(mask)] for features, _, mask in passed]
    return np.concatenate(parts)


def _probabilities(features: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n k"]:
    """Returns the class probabilities of each image, from a probe that was not trained on it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(probe, features, labels, cv=folds, method="predict_proba"))


def _draw(rng: np.random.Generator, labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Draws rows with replacement within each class, so that every class stays present."""
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return np.concatenate([rng.choice(group, len(group)) for group in groups])
