"""The published values against the authors' own tables."""

import pandas as pd
import pytest
from golden.published_figures import summarise

from tljax.report.published import results as published

TASKS = ("breast", "chest", "isic", "knee", "mammograms", "pcam-small", "thyroid")


def test_published_csv_equals_a_summary_of_the_authors_tables(shared):
    expected = summarise(shared / "reference" / "published" / "results").astype({"layer": str})
    held = pd.read_csv("tljax/report/published/published.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(held, expected, check_dtype=False)


def test_all_35_published_aucs_are_known():
    cells = [
        published.auc(task, init, freeze)
        for task in TASKS
        for init, freeze in [("random", False)] + [(i, f) for i in ("imagenet", "radimagenet") for f in (True, False)]
    ]
    assert len(cells) == 35 and all(0.4 < cell.mean < 1 for cell in cells)
    assert (published.auc("breast", "imagenet", False).mean, published.auc("breast", "imagenet", False).sd) == (
        pytest.approx(0.905, abs=5e-4),
        pytest.approx(0.0383, abs=5e-5),
    )
    assert published.auc("breast", "random", True) is None


def test_cca_in_either_order_and_agreement():
    layers = published.cca("breast", "random", "random")
    assert [figure.mean for figure in layers.values()] == pytest.approx([0.592, 0.401, 0.385, 0.389, 0.380], abs=6e-4)
    assert published.cca("breast", "random", "imagenet") == published.cca("breast", "ImageNet", "random") != {}
    assert published.cca("breast", "imagenet", "my-net") == {}
    observed, independent = published.prediction_similarity("breast", False)
    assert observed.mean > independent.mean
    assert published.prediction_similarity("kimia", False) is None
