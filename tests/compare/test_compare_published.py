"""The similarity of random networks on the paper's images, against the published values."""

import csv

import jax.numpy as jnp
import numpy as np
import pytest

from tljax.compare import compare
from tljax.core.paper import LAYERS
from tljax.datasets.decoding import decode_file, to_square
from tljax.weights import networks


def test_cca_of_two_random_networks_equals_the_published_values(shared):
    """Test fold 1 at 224 px. Published means over the folds: 0.592 0.401 0.385 0.389 0.380."""
    reference = shared / "reference" / "published"
    with (reference / "folds" / "breast" / "test_fold1.csv").open() as file:
        names = [row["path"].rpartition("/")[2] for row in csv.DictReader(file)]
    paths = {path.name: path for path in (shared / "data" / "breast").rglob("*.png")}
    images = np.stack([to_square(decode_file(paths[name]), 224) for name in names])
    two = [networks.resolve(spec, dtype=jnp.dtype("float32")) for spec in ("random", "random:1")]
    found = {row.layer1: row.value for row in compare(two, images, protocol="paper", measures=("cca",))}

    with (reference / "results" / "CCA_breast.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model1"] == row["model2"] == "random"]
    for layer in LAYERS:
        published = np.mean([float(row[layer]) for row in rows])
        assert found[layer] == pytest.approx(published, abs=0.06 if layer == "conv1" else 0.03)
