"""Transferability scores: the authors' values, closed forms, bounds, and invariances."""

import json
from pathlib import Path

import numpy as np
import pytest
from golden.make_scores import CASES, data
from scipy.stats import multivariate_normal, ortho_group

from tljax.core.errors import UserError
from tljax.screen import scores
from tljax.screen.scores import baseline, gbc, h_score, leep, logme, ncti, nleep, parc, sfda, transrate

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "scores.json").read_text())
UNSUPERVISED = [name for name in scores.names() if not scores.needs(name) and name != "ncti"]


def close(value: float, expected: float) -> bool:
    return value == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_scores_equal_the_authors_code(case):
    features, labels, source = data(case)
    golden = GOLDEN[case]
    assert close(leep.score(features, labels, source=source).value, golden["leep"])
    assert close(nleep.score(features, labels).value, golden["nleep"])
    assert close(parc.score(features, labels, dimensions=None).value, golden["parc"])
    assert close(sfda.score(features, labels).value, golden["sfda"])
    assert close(gbc.score(features, labels, "diagonal", None).value, golden["gbc_diagonal"])
    assert close(transrate.score(features, labels).value, golden["transrate"])
    assert close(h_score.score(features, labels, 0.0).value, golden["h_score"])
    if "ncti" in golden:
        details = ncti.score(features, labels).details
        assert close(details["spread"], golden["ncti"][0])
        assert close(details["nearest"], golden["ncti"][1])
        assert close(details["variation"], golden["ncti"][2])


@pytest.mark.parametrize("case", CASES)
def test_logme_equals_the_authors_code_except_for_the_determinant(case):
    """The authors' code omits the d - n directions without data, each of which contributes log(alpha) / 2n."""
    features, labels, _ = data(case)
    count, channels = features.shape
    missing = max(channels - count, 0) * np.mean(np.log(GOLDEN[case]["logme_alphas"])) / (2 * count)
    value = logme.score(features, labels).value
    assert close(value, GOLDEN[case]["logme"] - missing)
    assert value == pytest.approx(GOLDEN[case]["logme_icml"], abs=1e-3)  # their first code had all directions


def test_logme_equals_the_evidence_of_the_linear_model():
    """The density of the targets, y ~ N(0, F F^T / alpha + I / beta), at the best alpha and beta of a grid."""
    features, labels, _ = data("two classes")
    best = np.full(2, -np.inf)
    for alpha in np.geomspace(0.1, 100, 25):
        for beta in np.geomspace(1, 1000, 25):
            model = multivariate_normal(cov=features @ features.T / alpha + np.eye(120) / beta)
            best = np.maximum(best, [model.logpdf((labels == c).astype(float)) / 120 for c in (0, 1)])
    assert best.mean() - 1e-5 < logme.score(features, labels).value < best.mean() + 0.01


def test_the_h_score_uses_the_shrinkage_of_ledoit_and_wolf():
    from sklearn.covariance import LedoitWolf

    for case in CASES:
        features, labels, _ = data(case)
        fitted = LedoitWolf().fit(features)
        found = h_score.score(features, labels)
        assert found.details["shrinkage"] == pytest.approx(fitted.shrinkage_, rel=1e-8)
        means = np.stack([features[labels == c].mean(axis=0) for c in np.unique(labels)])[labels]
        between = np.cov(means.T, bias=True)
        expected = np.trace(np.linalg.inv(fitted.covariance_) @ between) * (1 - fitted.shrinkage_)
        assert found.value == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("shrinkage", [0.0, None])
def test_the_h_score_reaches_its_bound_and_stays_within(shrinkage):
    """If every class is one point, all variance is between classes, so the score is k - 1 for any n and d."""
    rng = np.random.default_rng(0)
    for count, channels, classes in ((12, 200, 3), (200, 12, 5), (40, 40, 4)):
        labels = np.arange(count) % classes
        features = rng.normal(size=(classes, channels))[labels]
        assert h_score.score(features, labels, 0.0).value == pytest.approx(classes - 1)
        noisy = features + 1e-3 * rng.normal(size=features.shape)
        assert 0 <= h_score.score(noisy, labels, shrinkage).value <= classes - 1


def test_gbc_of_spherical_gaussians_has_the_determinant_of_the_paper():
    labels = np.arange(150) % 3
    features = np.random.default_rng(0).normal(size=(150, 30)) + 0.2 * labels[:, None]
    means = [features[labels == c].mean(axis=0) for c in range(3)]
    sizes = [features[labels == c].var(axis=0).mean() for c in range(3)]
    expected = 0.0
    for a in range(3):
        for b in set(range(3)) - {a}:
            average = np.eye(30) * (sizes[a] + sizes[b]) / 2
            determinants = [np.linalg.slogdet(np.eye(30) * size)[1] for size in (sizes[a], sizes[b])]
            gap = means[a] - means[b]
            distance = gap @ np.linalg.solve(average, gap) / 8
            distance += (np.linalg.slogdet(average)[1] - sum(determinants) / 2) / 2
            expected -= np.exp(-distance)
    assert close(gbc.score(features, labels, dimensions=None).value, expected)
    assert close(gbc.score(features, labels).value, expected)  # all principal components keep all distances


def test_parc_on_principal_components_equals_the_published_reduction():
    from sklearn.decomposition import PCA

    features, labels, _ = data("two classes")
    reduced = PCA(32).fit_transform(features)
    expected = parc.score(reduced, labels, dimensions=None).value
    assert close(parc.score(features, labels).value, expected)


def test_ncti_compares_the_candidates():
    found = [scores.Score(np.nan, details=dict(zip(("spread", "nearest", "variation"), parts, strict=True)))
             for parts in ((1.0, 0.5, 4.0), (3.0, 0.9, 2.0), (2.0, 0.7, 3.0))]  # fmt: skip
    assert [each.value for each in ncti.pooled(found)] == pytest.approx([-1.0, 2.0, 0.5])
    assert [each.value for each in ncti.pooled(found[:1])] == [0.0]


def test_the_baseline_depends_only_on_the_pretraining():
    nothing = np.zeros((0, 1)), np.zeros(0, int)
    values = [baseline.score(*nothing, pretraining=images).value for images in (0.0, 1_281_167.0, 142_000_000.0)]
    assert values[0] == 0 and values == sorted(values)
    assert np.isnan(baseline.score(*nothing, pretraining=None).value)


@pytest.mark.parametrize("name", UNSUPERVISED)
@pytest.mark.parametrize("classes", [2, 4])
def test_scores_stay_within_their_bounds(name, classes):
    module = scores.named(name)
    low, high = module.bounds(classes)
    rng = np.random.default_rng(1)
    for count, channels, signal, scale in (
        (40, 6, 0, 1),
        (40, 6, 5, 1e-3),
        (24, 120, 1, 1),
        (80, 20, 20, 30),
        (9, 3, 1, 1),
    ):
        labels = np.arange(count) % classes
        features = scale * (rng.normal(size=(count, channels)) + signal * rng.normal(size=(classes, channels))[labels])
        value = module.score(features.astype(np.float32), labels).value
        assert low - 1e-9 <= value <= high + 1e-9, (count, channels, signal, scale)


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_scores_are_higher_for_separated_classes_than_for_chance(name):
    """A score is higher for features that contain the labels than for the same features with shuffled labels."""
    features, labels, _ = data("two classes")
    shuffled = np.random.default_rng(0).permutation(labels)
    score = scores.named(name).score
    assert score(features, labels).value > score(features, shuffled).value


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_the_order_of_images_and_the_numbers_of_classes_do_not_matter(name):
    features, labels, _ = data("three classes")
    score = scores.named(name).score
    order = np.random.default_rng(2).permutation(len(labels))
    # the mixture of NLEEP starts at images drawn by their place
    tolerance = {"rel": 0.5, "abs": 0.2} if name == "nleep" else {"rel": 1e-6, "abs": 1e-8}
    expected = score(features, labels).value
    assert score(features[order], labels[order]).value == pytest.approx(expected, **tolerance)
    assert score(features, np.array([7, 0, 3])[labels]).value == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", ["logme", "h_score", "nleep", "gbc", "transrate"])
def test_a_rotation_of_the_features_does_not_matter(name):
    features, labels, _ = data("two classes")
    rotation = ortho_group.rvs(features.shape[1], random_state=np.random.default_rng(3))
    score = scores.named(name).score
    assert score(features @ rotation, labels).value == pytest.approx(score(features, labels).value, rel=1e-6)


@pytest.mark.parametrize("name", UNSUPERVISED)
def test_bad_input_gives_a_message(name):
    score = scores.named(name).score
    features, labels = np.random.default_rng(0).normal(size=(12, 4)), np.arange(12) % 2
    broken = features.copy()
    broken[3, 1] = np.nan
    with pytest.raises(UserError, match="1 of 12 images hold NaN"):
        score(broken, labels)
    with pytest.raises(UserError, match="one class"):
        score(features, np.zeros(12, int))
    with pytest.raises(UserError, match="same features"):
        score(np.ones((12, 4)), labels)
    score(features, np.array([0] + [1] * 11))  # a class of one image is no reason to fail


def test_features_of_any_size_have_an_nleep_score():
    """scikit-learn refuses a mixture whose added variance is lost in rounding."""
    rng = np.random.default_rng(0)
    assert np.isfinite(nleep.score(1e6 * rng.normal(size=(24, 120)), np.arange(24) % 4).value)


@pytest.mark.parametrize(("count", "channels", "scale"), [(9, 3, 1.0), (30, 1, 1e3), (12, 200, 1e-3)])
def test_classes_of_one_point_have_the_limits_of_the_scores(count, channels, scale):
    labels = np.arange(count) % 2
    features = scale * np.random.default_rng(0).normal(size=(2, channels)).astype(np.float32)[labels]
    assert sfda.score(features, labels).value == 1
    assert 0.99 < h_score.score(features, labels).value < 1 + 1e-9
    unknown = ncti.score(features, labels)
    known = [
        ncti.score(features + noise, labels) for noise in np.random.default_rng(1).normal(size=(2, count, channels))
    ]
    assert np.isnan([each.value for each in ncti.pooled([unknown, *known])]).tolist() == [True, False, False]


def test_ncti_of_a_class_of_one_image_has_a_value():
    """scikit-learn warns of it."""
    features = np.random.default_rng(0).normal(size=(12, 4))
    assert all(np.isfinite(value) for value in ncti.score(features, np.array([0] + [1] * 11)).details.values())


def test_leep_refuses_values_that_are_not_probabilities():
    features, labels, source = data("two classes")
    with pytest.raises(UserError, match="must sum to 1"):
        leep.score(features, labels, source=source * 2)
    unused = np.concatenate([source, np.zeros((len(source), 1))], axis=1)  # a source class that is never predicted
    assert leep.score(features, labels, source=unused).value == pytest.approx(
        leep.score(features, labels, source=source).value
    )


def test_the_message_on_an_unknown_score_lists_the_scores():
    assert scores.needs("leep") == ("source",) and scores.needs("logme") == ()
    with pytest.raises(UserError, match="no score 'logmee'; known are baseline"):
        scores.named("logmee")
